package balancer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/outlier"
)

// quiet is a connection that does nothing.
type quiet struct{ balancer.ClientConn }

func (quiet) Target() string { return "test" }

type subConn struct {
	balancer.SubConn
	name string
}

// first is a child's picker that counts what it has not got back.
type first struct {
	sc   balancer.SubConn
	open int
}

func (p *first) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	p.open++
	return balancer.PickResult{SubConn: p.sc, Done: func(balancer.DoneInfo) { p.open-- }}, nil
}

type panicking struct{}

func (panicking) BackendChanged(context.Context, outlier.Event) { panic("told") }

// pair returns a balancer of the ready backends a and b, and for each a child that picks it.
func pair() (b *lb, children map[string]*first) {
	b = &lb{
		ClientConn: quiet{}, backends: map[*backend]struct{}{}, byAddr: map[string]*backend{},
		subConns: map[balancer.SubConn]*backend{}, group: outlier.New(outlier.Config{}),
	}
	b.list(resolver.State{Endpoints: []resolver.Endpoint{
		{Addresses: []resolver.Address{{Addr: "a"}}}, {Addresses: []resolver.Address{{Addr: "b"}}},
	}})
	children = map[string]*first{}
	for name, be := range b.byAddr {
		sc := &subConn{name: name}
		be.ready = 1
		b.subConns[sc] = be
		children[name] = &first{sc: sc}
	}
	return b, children
}

// An observer that panics when a backend is set aside goes through gRPC, but what the child counts
// stays right.
func TestObserver_PanicLeavesNoPickOpen(t *testing.T) {
	placement.Use()
	defer placement.Release()
	b, children := pair()
	pick := func(name string) (balancer.PickResult, error) {
		ctx := placement.Start(t.Context(), panicking{}, true)
		return (&picker{lb: b, child: children[name]}).Pick(balancer.PickInfo{Ctx: ctx})
	}
	sub := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
	succeed := func(t *testing.T) {
		for range 50 {
			good, err := pick("b")
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
			good.Done(balancer.DoneInfo{BytesReceived: true})
		}
	}
	sub("when_an_attempt_ends", func(t *testing.T) {
		told := false
		succeed(t)
		for !told {
			bad, err := pick("a")
			require.NoError(t, err)
			func() {
				defer func() { told = recover() != nil }()
				bad.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "down"), BytesReceived: true})
			}()
		}
		assert.Zero(t, children["a"].open)
		assert.Zero(t, children["b"].open)
	})
	sub("when_an_attempt_is_sent", func(t *testing.T) {
		b.group.Remove(b.byAddr["a"].outlier)
		b.byAddr["a"].outlier = b.group.Add("a")
		children["a"].open = 0
		for range 10 { // hang
			_, err := pick("a")
			require.NoError(t, err)
		}
		succeed(t)
		time.Sleep(150 * time.Millisecond)
		succeed(t)
		before := children["a"].open
		require.Panics(t, func() { _, _ = pick("a") })
		assert.Equal(t, before, children["a"].open)
	})
}
