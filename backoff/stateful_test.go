package backoff_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// twice waits a second, then two, and then stops; each call has a count of its own.
type twice struct{ calls *int }

func (twice) Delay(int, time.Duration, float64) time.Duration { return time.Second }

func (s twice) NewCall() backoff.Strategy {
	*s.calls++
	return new(countdown)
}

type countdown struct{ asked int }

func (c *countdown) Delay(int, time.Duration, float64) time.Duration {
	c.asked++
	if c.asked > 2 {
		return -1
	}
	return time.Duration(c.asked) * time.Second
}

func TestStateful_PassesThroughComposition(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		around func(backoff.Strategy) backoff.Strategy
		want   []time.Duration
	}{
		"cap":          {func(of backoff.Strategy) backoff.Strategy { return backoff.Cap(of, 3*s/2) }, seconds(1, 1.5)},
		"floor":        {func(of backoff.Strategy) backoff.Strategy { return backoff.Floor(of, 3*s/2) }, seconds(1.5, 2)},
		"full":         {backoff.Full, seconds(.5, 1)},
		"equal":        {backoff.Equal, seconds(.75, 1.5)},
		"proportional": {func(of backoff.Strategy) backoff.Strategy { return backoff.Proportional(of, 1) }, seconds(1, 2)},
		"two":          {func(of backoff.Strategy) backoff.Strategy { return backoff.Full(backoff.Cap(of, s)) }, seconds(.5, .5)},
	} {
		calls := 0
		stateful, ok := c.around(twice{&calls}).(backoff.Stateful)
		require.True(t, ok, name)
		require.NoError(t, backoff.Validate(stateful), name)
		for range 2 {
			call := stateful.NewCall()
			require.Equal(t, c.want, delays(call, 2, 0.5), name)
			require.Negative(t, call.Delay(3, s, 0.5), name)
			require.Equal(t, c.want[0], stateful.Delay(1, 0, 0.5), name)
		}
		require.Equal(t, 2, calls, name)

		_, ok = c.around(backoff.Constant(s)).(backoff.Stateful)
		require.False(t, ok, "%s: a strategy without state costs no instance a call", name)
	}
}

// marked is a strategy that knows another library's mark of permanent errors.
type marked struct{ twice }

func (marked) IsPermanent(err error) bool { return err == errors.ErrUnsupported }

func TestStrategy_PermanentMarkPassesThroughComposition(t *testing.T) {
	type knows interface{ IsPermanent(error) bool }
	for _, around := range []func(backoff.Strategy) backoff.Strategy{
		backoff.Full,
		func(of backoff.Strategy) backoff.Strategy { return backoff.Equal(backoff.Cap(of, time.Second)) },
	} {
		known := around(marked{twice{new(int)}}).(knows)
		require.True(t, known.IsPermanent(errors.ErrUnsupported))
		require.False(t, known.IsPermanent(errors.New("down")))
		require.False(t, around(twice{new(int)}).(knows).IsPermanent(errors.ErrUnsupported), "it knows none")
	}
}
