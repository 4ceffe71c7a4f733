package placement_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/placement"
)

func TestStart_NoCostWithoutBalancer(t *testing.T) {
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if placement.Start(ctx, nil, true) != ctx {
			t.Fatal("a record that nobody needs")
		}
	}))
	assert.Nil(t, placement.From(ctx))
}

func TestCall_IsContextOfAttempts(t *testing.T) {
	placement.Use()
	defer placement.Release()
	type key struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, 1))
	ctx := placement.Start(parent, nil, true)
	actx, done := context.WithCancel(ctx)
	defer done()
	require.NotNil(t, placement.From(actx))
	assert.Equal(t, 1, actx.Value(key{}))
	cause := errors.New("cause")
	cancel(cause)
	assert.Equal(t, cause, context.Cause(actx))
}

func TestCall_NestedHasItsOwn(t *testing.T) {
	placement.Use()
	defer placement.Release()
	outer := placement.Start(context.Background(), nil, true)
	inner := placement.Start(outer, nil, true)
	placement.From(inner).Sent("lb", "a")
	assert.Zero(t, placement.From(outer).Used("a"))
}

func TestCall_OvertakenAttempts(t *testing.T) {
	placement.Use()
	defer placement.Release()
	c := placement.From(placement.Start(context.Background(), nil, true))
	first, second := c.Sent("lb", "a"), c.Sent("lb", "b")
	third, same := c.Sent("lb", "c"), c.Sent("lb", "b")
	alien := c.Sent("other", "b")
	assert.Equal(t, 2, c.Used("b")-1)
	assert.False(t, c.End(alien, true), "of another balancer")
	assert.False(t, c.End(third, false), "failed before anybody succeeded")
	assert.False(t, c.End(same, true))
	assert.False(t, c.End(second, false), "it went to the same backend")
	assert.True(t, c.End(first, false))
}

func TestCall_Bounds(t *testing.T) {
	placement.Use()
	defer placement.Release()
	c := placement.From(placement.Start(context.Background(), nil, true))
	assert.True(t, c.Fresh("lb"))
	a := c.Sent("lb", "a")
	assert.False(t, c.Fresh("lb"))
	assert.True(t, c.Fresh("another"))
	c.Unsent(a)
	assert.True(t, c.Fresh("lb"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				c.End(c.Sent("lb", "a"), true)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 64, c.Used("a"))
	assert.Nil(t, c.Sent("lb", "a"))

	var none *placement.Call
	assert.True(t, none.Fresh("lb"))
	assert.Zero(t, none.Used("a"))
	assert.Nil(t, none.Sent("lb", "a"))
	none.Unsent(nil)
	assert.False(t, none.End(nil, true))
}
