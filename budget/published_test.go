package budget_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

// step is one thing that happens to a budget, in a table of a published rule.
type step struct {
	at float64
	// "ok": a call succeeds; "begin": one begins; "fail": a first attempt ends with cause;
	// "retry": one is asked for, because of cause; "end": the last retry ends with cause
	do    string
	n     int             // how many times; 0 means once
	want  bool            // of "retry"
	cause budget.Evidence // None if it does not matter
	why   string
}

func play(t *testing.T, s budget.Spec, steps []step) {
	t.Helper()
	require.NoError(t, s.Validate())
	b := s.New()
	var last budget.Permit
	for i, x := range steps {
		now := at(x.at)
		for range max(x.n, 1) {
			switch x.do {
			case "ok":
				b.End(now, b.Begin(now), alive)
			case "begin":
				b.Begin(now)
			case "fail":
				b.End(now, 0, x.cause)
			case "end":
				b.End(now, last, x.cause)
			case "retry":
				p, ok := b.Admit(now, budget.Retry, x.cause, 0)
				require.Equal(t, x.want, ok, "step %d at %vs: %s", i, x.at, x.why)
				if ok {
					last = p
				}
			default:
				t.Fatalf("unknown step %q", x.do)
			}
		}
	}
}

func TestTokenBucket(t *testing.T) {
	t.Run("deposits at each call", func(t *testing.T) {
		play(t, budget.TokenBucket{}, []step{
			{do: "retry", n: 4, want: true, why: "5 tokens"},
			{do: "retry", want: false, why: "one token is not more than one"},
			{do: "begin"},
			{do: "retry", want: true, why: "1.1 tokens"},
			{do: "begin", n: 9},
			{do: "retry", want: false, why: "0.1 + 0.9 is one exactly"},
			{do: "begin", n: 1},
			{do: "retry", want: true},
			{do: "fail", n: 50, cause: alive},
			{do: "retry", want: false, why: "successes deposit nothing"},
			{do: "begin", n: 10_000},
			{do: "retry", n: 4, want: true, why: "the cap"},
			{do: "retry", want: false},
		})
	})
	t.Run("deposits at each success", func(t *testing.T) {
		play(t, budget.TokenBucket{Ratio: 0.5, Cap: 2, OnSuccess: true}, []step{
			{do: "retry", want: true},
			{do: "begin", n: 100},
			{do: "retry", want: false, why: "calls deposit nothing"},
			{do: "ok"},
			{do: "retry", want: true, why: "1.5 tokens"},
			{do: "end", cause: unsent},
			{do: "retry", want: true, why: "given back"},
			{do: "end", cause: failed},
			{do: "retry", want: false},
		})
	})
}

func TestGRPC(t *testing.T) {
	t.Run("retries above the half", func(t *testing.T) {
		play(t, budget.GRPC{}, []step{
			{do: "fail", n: 4, cause: failed},
			{do: "retry", n: 100, want: true, why: "6 of 10; a retry itself costs nothing"},
			{do: "fail", cause: silent},
			{do: "retry", want: false, why: "5 is not above 5"},
			{do: "fail", cause: nothing},
			{do: "ok"},
			{do: "retry", want: true, why: "5.1"},
			{do: "fail", cause: busy},
			{do: "ok", n: 9},
			{do: "retry", want: false, why: "5.0"},
			{do: "ok"},
			{do: "retry", want: true},
		})
	})
	t.Run("floor and ceiling", func(t *testing.T) {
		play(t, budget.GRPC{MaxTokens: 3, TokenRatio: 0.125}, []step{
			{do: "fail", n: 1000, cause: failed},
			{do: "ok", n: 12},
			{do: "retry", want: false, why: "1.5"},
			{do: "ok"},
			{do: "retry", want: true, why: "1.625"},
			{do: "ok", n: 1000},
			{do: "fail", cause: failed},
			{do: "retry", want: true, why: "2"},
			{do: "fail", cause: failed},
			{do: "retry", want: false, why: "1"},
		})
	})
	t.Run("a ratio above the maximum", func(t *testing.T) {
		play(t, budget.GRPC{MaxTokens: 1, TokenRatio: 1000}, []step{
			{do: "fail", cause: failed}, {do: "retry", want: false}, {do: "ok"}, {do: "retry", want: true},
		})
	})
}

func TestAWS(t *testing.T) {
	t.Run("standard", func(t *testing.T) {
		play(t, budget.AWS{}, []step{
			{do: "retry", n: 50, cause: failed, want: true, why: "5 each: 250 left"},
			{do: "retry", n: 25, cause: silent, want: true, why: "10 after a timeout"},
			{do: "retry", cause: failed, want: false},
			{do: "ok", n: 5},
			{do: "retry", cause: silent, want: false, why: "5 tokens"},
			{do: "retry", cause: busy, want: true},
			{do: "end", cause: alive},
			{do: "retry", cause: failed, want: true, why: "5 refunded and 1 for the success"},
			{do: "end", cause: failed},
			{do: "ok", n: 4},
			{do: "retry", cause: failed, want: true, why: "that one more"},
			{do: "end", cause: unsent},
			{do: "retry", cause: failed, want: true, why: "never sent"},
			{do: "retry", cause: failed, want: false},
		})
	})
	t.Run("2026", func(t *testing.T) {
		play(t, budget.AWS{Mode: budget.AWS2026}, []step{
			{do: "retry", n: 35, cause: failed, want: true, why: "14 each: 10 left"},
			{do: "retry", cause: silent, want: false},
			{do: "retry", n: 2, cause: busy, want: true, why: "5 after a throttle"},
			{do: "ok", n: 14},
			{do: "retry", cause: failed, want: true},
			{do: "end", cause: alive},
			{do: "retry", cause: failed, want: true, why: "14 refunded"},
			{do: "end", cause: failed},
			{do: "ok", n: 13},
			{do: "retry", cause: failed, want: false, why: "and nothing for a retry's success"},
		})
	})
	t.Run("500 at most", func(t *testing.T) {
		play(t, budget.AWS{}, []step{
			{do: "ok", n: 1000},
			{do: "retry", n: 100, cause: failed, want: true},
			{do: "retry", cause: failed, want: false},
		})
	})
}

func TestFinagle(t *testing.T) {
	t.Run("ratio alone", func(t *testing.T) {
		play(t, budget.Finagle{MinPerSecond: -1}, []step{
			{do: "retry", want: false},
			{do: "begin", n: 14},
			{do: "retry", n: 2, want: true, why: "20 % of 14"},
			{do: "retry", want: false},
			{do: "begin"},
			{do: "retry", want: true},
			{at: 9.5, do: "begin", n: 5},
			{at: 10.5, do: "retry", want: true, why: "the deposits of the first second have gone, as have its retries"},
			{at: 10.5, do: "end", cause: unsent},
			{at: 10.5, do: "retry", want: true},
			{at: 10.5, do: "retry", want: false},
			{at: 12, do: "begin", n: 5},
			{at: 22.5, do: "retry", want: false, why: "ten seconds later it has expired"},
		})
	})
	t.Run("the reserve", func(t *testing.T) {
		play(t, budget.Finagle{}, []step{
			{do: "retry", n: 100, want: true, why: "10/s over 10 s"},
			{do: "retry", want: false},
			{do: "begin", n: 5},
			{do: "retry", want: true},
			{at: 9.9, do: "retry", want: false},
			{at: 10, do: "retry", n: 100, want: true, why: "withdrawals expire too"},
			{at: 10, do: "retry", want: false},
			{at: 21, do: "end", cause: unsent},
			{at: 21, do: "retry", n: 100, want: true},
			{at: 21, do: "retry", want: false, why: "what has expired is not given back"},
		})
	})
	t.Run("other settings", func(t *testing.T) {
		play(t, budget.Finagle{TTL: time.Second, Ratio: 0.5, MinPerSecond: 1}, []step{
			{do: "begin", n: 4},
			{do: "retry", n: 3, want: true},
			{do: "retry", want: false},
			{at: 1, do: "retry", want: true},
			{at: 1, do: "retry", want: false},
		})
	})
}

func TestConcurrency(t *testing.T) {
	t.Run("the minimum", func(t *testing.T) {
		play(t, budget.Concurrency{}, []step{
			{do: "retry", n: 3, want: true},
			{do: "retry", want: false},
			{do: "end", cause: failed},
			{do: "retry", want: true, why: "one has ended, however"},
			{do: "end", cause: unsent},
			{do: "retry", want: true},
		})
	})
	t.Run("a fifth of what is in flight", func(t *testing.T) {
		play(t, budget.Concurrency{}, []step{
			{do: "begin", n: 20},
			{do: "retry", n: 5, want: true, why: "the retries are in flight too: 4 of 24 are fewer than a fifth"},
			{do: "retry", want: false, why: "5 of 25 are not"},
		})
	})
	t.Run("no minimum", func(t *testing.T) {
		play(t, budget.Concurrency{Ratio: 0.5, Min: -1}, []step{
			{do: "retry", want: false},
			{do: "begin"},
			{do: "retry", want: true, why: "none of one"},
			{do: "retry", want: false, why: "one of two"},
		})
	})
}

func TestRatio(t *testing.T) {
	play(t, budget.Ratio{}, []step{
		{do: "retry", want: false, why: "no attempts yet"},
		{do: "begin", n: 9},
		{do: "retry", want: true, why: "0 of 9"},
		{do: "retry", want: false, why: "1 of 10 is not below 10 %"},
		{do: "begin"},
		{do: "retry", want: true, why: "1 of 11"},
		{do: "end", cause: unsent},
		{do: "retry", want: true, why: "never sent"},
		{do: "end", cause: failed},
		{do: "retry", want: false},
		{at: 60, do: "begin", n: 15},
		{at: 60, do: "retry", want: true, why: "2 of 27"},
		{at: 60, do: "retry", want: false, why: "3 of 28"},
		{at: 125, do: "retry", want: true, why: "the first two retries are over two minutes old: 1 of 16"},
		{at: 125, do: "retry", want: false, why: "2 of 17"},
		{at: 300, do: "retry", want: false, why: "nothing left"},
	})
}

func TestClientThrottle(t *testing.T) {
	b := budget.ClientThrottle{}.New()
	gate := b.(budget.Gate)
	serve := func(t float64, e budget.Evidence) {
		b.End(at(t), b.Begin(at(t)), e)
	}
	for range 50 {
		require.True(t, gate.Allow(at(0), 0), "half of all may fail before anything is refused")
		serve(0, alive)
		require.True(t, gate.Allow(at(0), 0))
		serve(0, failed)
	}
	// 100 requests, 50 accepts: the next is refused with probability 0, the one after it with
	// 1/102.
	require.True(t, gate.Allow(at(1), 0))
	serve(1, failed)
	require.False(t, gate.Allow(at(1), 1./102-1e-9))
	require.True(t, gate.Allow(at(1), 2./103+1e-9), "refused calls count as requests")
	serve(1, nothing)
	require.False(t, gate.Allow(at(1), 2./103-1e-9), "what says nothing is not counted")
	require.True(t, gate.Allow(at(200), 0), "all that is two minutes old")
	serve(400, nothing) // begun so long ago that its request has left the window
	require.True(t, gate.Allow(at(400), 0))
	require.True(t, gate.Allow(at(400), 0))
	require.True(t, gate.Allow(at(400), 0.51), "1/2")
	require.False(t, gate.Allow(at(400), 0.66), "2/3")

	t.Run("never with probability 1", func(t *testing.T) {
		b := budget.ClientThrottle{K: 1}.New().(budget.Gate)
		for range 10_000 {
			require.True(t, b.Allow(at(0), 0.9999))
		}
	})
	t.Run("retries are the inner budget's", func(t *testing.T) {
		b := budget.ClientThrottle{Retries: budget.Adaptive{Strict: true}}.New()
		require.Equal(t, 1, retries(b, 0, 100))
		require.Zero(t, b.(budget.Leveler).Level())
	})
}

func TestUnlimited(t *testing.T) {
	require.NoError(t, budget.Unlimited{}.Validate())
	require.Equal(t, 1000, retries(budget.Unlimited{}.New(), 0, 1000))
	require.Implements(t, (*budget.Timeless)(nil), budget.Unlimited{}.New())
	require.Equal(t, 1., budget.Unlimited{}.New().(budget.Leveler).Level())
}

func TestShared(t *testing.T) {
	b := budget.Adaptive{}.New()
	s := budget.Shared(b)
	require.NoError(t, s.Validate())
	require.Same(t, b, s.New())
	require.Equal(t, s, budget.Shared(b))
	require.True(t, s == budget.Shared(b), "specs are comparable")
	require.Error(t, budget.Shared(nil).Validate())
	retries(s.New(), 0, 10)
	require.Equal(t, 1, call(s.New(), 0, failed, alive), "one outage, seen by all")
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		spec  budget.Spec
		after func(budget.Budget)
		want  float64
	}{
		{budget.TokenBucket{}, func(b budget.Budget) { b.Admit(at(0), budget.Retry, failed, 0) }, 0.8},
		{budget.GRPC{}, func(b budget.Budget) { b.End(at(0), 0, failed) }, 0.8},
		{budget.GRPC{}, func(b budget.Budget) { retries(b, 0, 100) }, 0},
		{budget.AWS{}, func(b budget.Budget) { retries(b, 0, 25) }, 0.75},
		{budget.Finagle{}, func(b budget.Budget) { b.Admit(at(0), budget.Retry, failed, 0) }, 0.99},
		{budget.Finagle{}, func(b budget.Budget) { retries(b, 0, 1000) }, 0},
		{budget.Finagle{MinPerSecond: -1}, func(budget.Budget) {}, 0},
		{budget.Concurrency{}, func(b budget.Budget) { b.Admit(at(0), budget.Retry, failed, 0) }, 2. / 3},
		{budget.Concurrency{Min: -1}, func(budget.Budget) {}, 0},
		{budget.Ratio{}, func(budget.Budget) {}, 0},
		{budget.Ratio{}, func(b budget.Budget) { succeed(b, 0, 19); b.Admit(at(0), budget.Retry, failed, 0) }, 0.5},
		{budget.ClientThrottle{Retries: budget.AWS{}}, func(b budget.Budget) { retries(b, 0, 25) }, 0.75},
		{budget.ClientThrottle{Retries: budget.Shared(mute{})}, func(budget.Budget) {}, 1},
	} {
		b := c.spec.New()
		c.after(b)
		require.InDelta(t, c.want, b.(budget.Leveler).Level(), 1e-9, "%#v", c.spec)
	}
}

// An alarm on level 0 has to go off when retries end, whatever the budget.
func TestLevel_ZeroIffNoRetryAdmitted(t *testing.T) {
	for _, s := range []budget.Spec{
		budget.TokenBucket{},
		budget.TokenBucket{Cap: 1.5},
		budget.GRPC{},
		budget.AWS{},
		budget.AWS{Mode: budget.AWS2026},
		budget.Finagle{},
		budget.Finagle{MinPerSecond: -1},
		budget.Concurrency{},
		budget.Concurrency{Interval: time.Second},
		budget.Ratio{},
		budget.ClientThrottle{Retries: budget.AWS{}},
	} {
		b := s.New()
		succeed(b, 0, 100)
		for range 1000 {
			level := b.(budget.Leveler).Level()
			_, ok := b.Admit(at(0), budget.Retry, busy, 0) // after a throttle a retry costs least
			require.Equal(t, ok, level > 0, "%#v at %v", s, level)
			b.End(at(0), 0, failed) // a failure of a first attempt, which only gRPC's budget pays for
		}
		require.Zero(t, b.(budget.Leveler).Level(), "%#v", s)
	}
}

// mute is a budget that tells no level.
type mute struct{ budget.Budget }

func TestTimeless(t *testing.T) {
	for _, s := range []budget.Spec{
		budget.Adaptive{}, budget.TokenBucket{}, budget.GRPC{}, budget.AWS{}, budget.Concurrency{}, budget.Unlimited{},
	} {
		b := s.New()
		require.Implements(t, (*budget.Timeless)(nil), b)
		b.(budget.Timeless).Timeless()
		b.End(time.Time{}, b.Begin(time.Time{}), alive)
	}
	for _, s := range []budget.Spec{budget.Finagle{}, budget.Ratio{}, budget.ClientThrottle{}} {
		_, timeless := s.New().(budget.Timeless)
		require.False(t, timeless, "%T", s)
	}
}

// What counts is the time between two readings, which Go takes from the monotonic clock: a wall
// clock that is set back by an hour must not keep a window from moving for an hour. Times on both
// sides of 2262, where an int64 of nanoseconds since 1970 ends, show it without setting a clock.
func TestWindow_UsesMonotonicTime(t *testing.T) {
	before := time.Unix(0, math.MaxInt64)
	for _, s := range []budget.Spec{budget.Finagle{MinPerSecond: -1}, budget.Ratio{}} {
		b := s.New()
		for range 1000 {
			b.End(before, b.Begin(before), alive)
		}
		_, ok := b.Admit(before, budget.Retry, failed, 0)
		require.True(t, ok, "%T", s)
		_, ok = b.Admit(before.Add(time.Hour), budget.Retry, failed, 0)
		require.False(t, ok, "%T: an hour ago is forgotten", s)
	}
}

func TestClock_StepBackIsHarmless(t *testing.T) {
	for _, s := range benched {
		b := s.spec.New()
		succeed(b, 1000, 100)
		succeed(b, 0, 100)
		succeed(b, 1001, 100)
		require.Equal(t, 2, call(b, 500, failed, alive), s.name)
		require.Equal(t, 2, call(b, 1001, failed, alive), s.name)
	}
}

// A lost connection, and an error that no classifier knows, are failures to a budget that knows no
// such evidence.
func TestGRPC_LostAndUnknownAreFailures(t *testing.T) {
	for _, e := range []budget.Evidence{budget.Failed, budget.Overloaded, budget.Silent, budget.Lost, budget.Unknown} {
		b := budget.GRPC{}.New()
		for range 5 {
			b.End(at(0), b.Begin(at(0)), e)
		}
		_, ok := b.Admit(at(0), budget.Retry, e, 0)
		require.False(t, ok, "after five of %d", e)
	}
}
