package layer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// fresh makes the process one in which nothing has happened.
func fresh(t *testing.T) {
	was := seen.Swap(0)
	t.Cleanup(func() { seen.Store(was) })
}

func TestEnter_OnlyIfNeeded(t *testing.T) {
	fresh(t)
	require.Nil(t, Enter(t.Context(), 1))
	Spend(t.Context())
	require.Nil(t, Enter(t.Context(), 1), "without a transport a call that fails ends with an error of ours")
	Link()
	require.Nil(t, Enter(t.Context(), 1))
	require.False(t, Nested())
	Spend(t.Context())
	require.NotNil(t, Enter(t.Context(), 1))
	require.True(t, Nested())

	fresh(t)
	declared := Declare(t.Context(), 2)
	require.Nil(t, Enter(t.Context(), 1), "another call was declared")
	a := Enter(declared, 1)
	require.NotNil(t, a)
	require.Zero(t, Declared(a))
	require.EqualValues(t, 1, Declared(Declare(a, 1)))
	require.Nil(t, Enter(a, 1), "nothing is declared of a call inside")
	require.NotNil(t, Enter(t.Context(), 2), "a resend has a number")
}

func TestExhausted_DuringFirstAttemptOfFirstCall(t *testing.T) {
	fresh(t)
	Link()
	a := Enter(t.Context(), 1)
	require.Nil(t, a)
	require.False(t, a.Exhausted())
	Spend(t.Context())
	require.True(t, a.Exhausted())
}

func TestExhausted_LastCallDecides(t *testing.T) {
	fresh(t)
	Link()
	a := Enter(t.Context(), 2)
	ctx, cancel := context.WithCancel(a) // as a call's own is
	defer cancel()
	call := func(spent bool) {
		_, c := Begin(ctx)
		if spent {
			Spend(ctx)
		}
		c.End()
	}
	call(false)
	require.False(t, a.Exhausted())
	call(true)
	require.True(t, a.Exhausted())
	call(false)
	require.False(t, a.Exhausted())
	call(true)
	call(true)
	require.True(t, a.Exhausted())

	call(false)
	_, slow := Begin(ctx)
	call(true)
	slow.End()
	require.True(t, a.Exhausted(), "what began before it says nothing")
}

func TestSpend_ReachesAttemptsAndIncomingRequest(t *testing.T) {
	fresh(t)
	above, far := With(t.Context())
	ctx, mark := With(above)
	outer := Enter(ctx, 2)
	inner := Enter(outer, 3)
	Spend(inner)
	require.True(t, inner.Exhausted())
	require.True(t, outer.Exhausted())
	require.True(t, mark.Spent())
	require.False(t, far.Spent(), "one request's only")
	Spend(t.Context())
}

func TestSpend_TimedOutAttemptDecidesItself(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	marked, mark := With(ctx)
	a := Enter(marked, 2)
	cancel()
	Spend(a)
	require.False(t, a.Exhausted())
	require.True(t, mark.Spent())
}

func TestBegin_CallInsideResendIsFirst(t *testing.T) {
	number := func(ctx context.Context, key any) int {
		n, _ := ctx.Value(key).(int)
		return n
	}
	inside, _ := Begin(t.Context())
	require.Nil(t, inside)
	a := Enter(t.Context(), 2)
	require.Equal(t, 2, number(a, Number{}))
	require.Equal(t, 1, number(a, Resend{}), "an operation is not what is sent")
	inside, _ = Begin(a)
	require.Equal(t, 1, number(inside, Number{}))
	require.Equal(t, 1, number(inside, Resend{}))
	require.Equal(t, "kept", must(Begin(context.WithValue(a, own{}, "kept"))).Value(own{}))
}

type own struct{}

func must(ctx context.Context, _ Call) context.Context { return ctx }
