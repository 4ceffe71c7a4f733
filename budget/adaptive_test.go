package budget_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

func level(b budget.Budget) float64 { return b.(budget.Leveler).Level() }

func ask(b budget.Budget, t float64, because budget.Evidence, held budget.Permit) (budget.Permit, budget.Answer) {
	return b.(budget.Queue).Ask(at(t), budget.Retry, because, held)
}

// fail begins a call whose first attempt fails, and returns its permit.
func fail(b budget.Budget, t float64, e budget.Evidence) budget.Permit {
	p := b.Begin(time.Time{})
	b.End(at(t), p, e)
	return p
}

// granted asks for a retry that must be granted.
func granted(t *testing.T, b budget.Budget, when float64, because budget.Evidence, held budget.Permit) budget.Permit {
	t.Helper()
	p, answer := ask(b, when, because, held)
	require.Equal(t, budget.Granted, answer)
	return p
}

// stop makes a budget stop retries at a time, at the cost of two that fail.
func stop(t *testing.T, b budget.Budget, when float64) {
	t.Helper()
	call(b, when, failed, failed, failed)
	require.Zero(t, retries(b, when, 1))
}

func TestAdaptive_Outage(t *testing.T) {
	t.Run("costs_a_quiet_client_two_retries", func(t *testing.T) {
		b := full(budget.Adaptive{})
		require.Equal(t, 3, call(b, 1, failed, failed, failed))
		require.Zero(t, retries(b, 2, 1000))
		b = full(budget.Adaptive{Strict: true})
		require.Equal(t, 2, call(b, 1, failed, failed, failed))
		require.Zero(t, retries(b, 2, 1000))
	})
	t.Run("throttles_and_silence_count_as_failures_do", func(t *testing.T) {
		for _, e := range []budget.Evidence{failed, busy, silent, budget.Lost, budget.Unknown} {
			b := full(budget.Adaptive{})
			require.Equal(t, 3, call(b, 1, e, e, e))
			require.Equal(t, 1, call(b, 2, e, e, e))
		}
	})
	t.Run("successes_sent_before_it_change_nothing", func(t *testing.T) {
		b := full(budget.Adaptive{})
		before := make([]budget.Permit, 30)
		for i := range before {
			before[i] = b.Begin(at(0))
		}
		succeed(b, 0, 1) // sent with the last of these
		stop(t, b, 1)
		for _, p := range before {
			b.End(at(2), p, alive)
			require.Zero(t, retries(b, 2, 1))
		}
	})
	t.Run("four_successes_in_a_row_end_it", func(t *testing.T) {
		b := full(budget.Adaptive{})
		stop(t, b, 1)
		require.Zero(t, level(b))
		succeed(b, 20, 3)
		require.Zero(t, retries(b, 20, 1), "and the failure breaks the row")
		succeed(b, 20, 3)
		require.Zero(t, level(b))
		succeed(b, 20, 1)
		require.Positive(t, level(b))
		require.Equal(t, 3, call(b, 20, failed, failed, alive))
	})
	t.Run("one_retry_may_probe_after_a_minute_without_any", func(t *testing.T) {
		b := full(budget.Adaptive{})
		stop(t, b, 0)
		require.Zero(t, retries(b, 59, 10))
		require.Equal(t, 1, retries(b, 61, 10))
		require.Zero(t, retries(b, 180, 10), "then after two")
		require.Equal(t, 1, retries(b, 182, 10))
		require.Equal(t, 1, retries(b, 24*3600, 10))
	})
	t.Run("a_stale_pool_is_found_alive_by_a_probe", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		stop(t, b, 0)
		for i := range 100 { // no first attempt succeeds any more
			call(b, 61+float64(i), failed, alive)
		}
		require.Equal(t, 2, call(b, 200, failed, alive))
	})
}

func TestAdaptive_SuccessfulRetriesAreFree(t *testing.T) {
	b := budget.Adaptive{}.New()
	for i := range 1000 {
		require.Equal(t, 2, call(b, float64(i)/1000, failed, alive))
	}
	require.Equal(t, 1., level(b))
}

func TestAdaptive_WasteIsBounded(t *testing.T) {
	b := full(budget.Adaptive{Waste: 0.01})
	wasted := 0
	for i := range 10_000 {
		succeed(b, float64(i), row)
		wasted += call(b, float64(i), failed, failed) - 1
	}
	require.LessOrEqual(t, float64(wasted), 21+0.01*(1000+10_000*row))
	require.Greater(t, wasted, 300)
}

const row = 4

func TestAdaptive_QuietClientMayUseMaxAttempts(t *testing.T) {
	require.Equal(t, 3, call(budget.Adaptive{}.New(), 0, failed, failed, alive))
	require.Equal(t, 2, call(budget.Adaptive{Strict: true}.New(), 0, failed, failed, alive))
	b := budget.Adaptive{}.New()
	mine := granted(t, b, 0, failed, fail(b, 0, failed))
	other := granted(t, b, 0, failed, fail(b, 0, failed))
	b.End(at(0), mine, failed)
	b.End(at(0), other, failed)
	_, answer := ask(b, 0, failed, mine)
	require.Equal(t, budget.Refused, answer, "another call's retry failed as well")
}

// waiting returns a budget with two retries under way, and the permit of a call that waits for
// them.
func waiting(t *testing.T, spec budget.Adaptive) (b budget.Budget, under [2]budget.Permit, waits budget.Permit) {
	b = spec.New()
	for i := range under {
		under[i] = granted(t, b, 0, failed, fail(b, 0, failed))
	}
	waits, answer := ask(b, 0, failed, fail(b, 0, failed))
	require.Equal(t, budget.Later, answer)
	return b, under, waits
}

func TestAdaptive_Waiting(t *testing.T) {
	t.Run("ends_when_a_retry_succeeds", func(t *testing.T) {
		b, under, waits := waiting(t, budget.Adaptive{})
		b.End(at(0.1), under[0], alive)
		granted(t, b, 0.1, failed, waits)
		for range 8 {
			granted(t, b, 0.1, failed, fail(b, 0.1, failed))
		}
		_, answer := ask(b, 0.1, failed, fail(b, 0.1, failed))
		require.Equal(t, budget.Later, answer, "eight places more and no others")
	})
	t.Run("ends_when_those_under_way_have_failed", func(t *testing.T) {
		b, under, waits := waiting(t, budget.Adaptive{})
		b.End(at(0.1), under[0], failed)
		waits, answer := ask(b, 0.1, failed, waits)
		require.Equal(t, budget.Later, answer)
		b.End(at(0.1), under[1], failed)
		require.True(t, b.(budget.Queue).Hopeless(at(0.1), failed, waits))
		_, answer = ask(b, 0.1, failed, waits)
		require.Equal(t, budget.Refused, answer)
	})
	t.Run("ends_after_the_patience", func(t *testing.T) {
		b, _, waits := waiting(t, budget.Adaptive{Patience: 2 * time.Second})
		for _, when := range []float64{0.5, 1, 1.9} {
			var answer budget.Answer
			waits, answer = ask(b, when, failed, waits)
			require.Equal(t, budget.Later, answer, when)
		}
		_, answer := ask(b, 2.1, failed, waits)
		require.Equal(t, budget.Refused, answer)
	})
	t.Run("lasts_three_times_what_a_retry_usually_takes", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		b.End(at(2), granted(t, b, 0, failed, fail(b, 0, failed)), alive)
		for range 2 {
			granted(t, b, 3, failed, fail(b, 3, failed))
		}
		waits, answer := ask(b, 3, failed, fail(b, 3, failed))
		require.Equal(t, budget.Later, answer)
		waits, answer = ask(b, 8.9, failed, waits)
		require.Equal(t, budget.Later, answer)
		_, answer = ask(b, 9.1, failed, waits)
		require.Equal(t, budget.Refused, answer)
	})
}

func TestAdaptive_WaitingIsBounded(t *testing.T) {
	t.Run("in_number", func(t *testing.T) {
		b, _, waits := waiting(t, budget.Adaptive{Waiting: 3})
		others := make([]budget.Permit, 2)
		for i := range others {
			others[i], _ = ask(b, 0, failed, fail(b, 0, failed))
		}
		require.True(t, b.(budget.Queue).Hopeless(at(0), failed, fail(b, 0, failed)))
		_, answer := ask(b, 0, failed, fail(b, 0, failed))
		require.Equal(t, budget.Refused, answer)
		for range 10 {
			waits, answer = ask(b, 0.1, failed, waits)
			require.Equal(t, budget.Later, answer, "asking again counts once")
		}
		b.End(at(0.1), others[0], nothing)
		_, answer = ask(b, 0.1, failed, fail(b, 0.1, failed))
		require.Equal(t, budget.Later, answer, "one has left")
	})
	t.Run("however_long_it_lasts", func(t *testing.T) {
		b, under, waits := waiting(t, budget.Adaptive{Waiting: 1, Patience: time.Minute})
		for when := 0.25; when < 59; when += 0.25 {
			if int(when*4)%32 == 0 { // the retries under way are replaced by others
				for i := range under {
					b.End(at(when), under[i], nothing)
					under[i] = granted(t, b, when, failed, fail(b, when, failed))
				}
			}
			var answer budget.Answer
			waits, answer = ask(b, when, failed, waits)
			require.Equal(t, budget.Later, answer, when)
			_, answer = ask(b, when, failed, fail(b, when, failed))
			require.Equal(t, budget.Refused, answer, when)
		}
		b.End(at(59), waits, nothing)
		_, answer := ask(b, 59, failed, fail(b, 59, failed))
		require.Equal(t, budget.Later, answer, "it has left")
	})
}

func TestAdaptive_WaitingLeavesNoTrace(t *testing.T) {
	t.Run("of_calls_that_never_came_back", func(t *testing.T) {
		b, _, _ := waiting(t, budget.Adaptive{Waiting: 1})
		_, answer := ask(b, 1, failed, fail(b, 1, failed))
		require.Equal(t, budget.Refused, answer)
		succeed(b, 30, 10)
		for range 2 {
			granted(t, b, 30, failed, fail(b, 30, failed))
		}
		_, answer = ask(b, 30, failed, fail(b, 30, failed))
		require.Equal(t, budget.Later, answer)
	})
	t.Run("of_a_call_that_asks_by_Admit", func(t *testing.T) {
		b, _, _ := waiting(t, budget.Adaptive{Waiting: 2})
		for range 3 {
			p, ok := b.Admit(at(0), budget.Retry, failed, fail(b, 0, failed))
			require.False(t, ok)
			require.Zero(t, p)
		}
		_, answer := ask(b, 0, failed, fail(b, 0, failed))
		require.Equal(t, budget.Later, answer, "its place is free")
	})
}

func TestAdaptive_NoWaitWithoutPatience(t *testing.T) {
	b := budget.Adaptive{Patience: -1}.New()
	require.Equal(t, 2, func() (n int) {
		for range 10 {
			if _, answer := ask(b, 0, failed, fail(b, 0, failed)); answer == budget.Granted {
				n++
			}
		}
		return n
	}())
}

// Ten of a hundred calls that are sent at once fail, and a tenth of their retries: that is a bad
// moment, not an outage.
func TestAdaptive_ConcurrentSuccessesPayInAdvance(t *testing.T) {
	b := budget.Adaptive{}.New()
	batch := make([]budget.Permit, 20)
	for i := range batch {
		batch[i] = b.Begin(time.Time{})
	}
	b.End(at(0), batch[0], failed)
	for _, p := range batch[1:] {
		b.End(at(0), p, alive)
	}
	first := granted(t, b, 0, failed, batch[0])
	b.End(at(0.02), first, failed)
	require.Equal(t, 2, call(b, 0.02, failed, alive))
}

// Attempts that succeeded while the first one that fails was under way pay in advance at once.
func TestAdaptive_SuccessesBesideFirstFailurePayInAdvance(t *testing.T) {
	for successes, want := range map[int]int{0: 1, 2: 2, 8: 5, 100: 5} { // four at most are prepaid
		b := budget.Adaptive{Strict: true}.New()
		slow := b.Begin(at(1))
		succeed(b, 1, successes)
		b.End(at(1), slow, failed)
		wasted := 0
		for ; wasted < 100; wasted++ {
			p, answer := ask(b, 1, failed, slow)
			if answer != budget.Granted {
				break
			}
			b.End(at(1), p, failed)
		}
		require.Equal(t, want, wasted, "%d successes", successes)
	}
}

func TestAdaptive_LostTogether(t *testing.T) {
	lost := func(b budget.Budget, n int) []budget.Permit {
		ps := make([]budget.Permit, n)
		for i := range ps {
			ps[i] = b.Begin(time.Time{})
		}
		for _, p := range ps {
			b.End(at(1), p, budget.Lost)
		}
		return ps
	}
	resend := func(b budget.Budget, ps []budget.Permit) (sent []budget.Permit) {
		for _, p := range ps {
			if p, answer := ask(b, 1, budget.Lost, p); answer == budget.Granted {
				sent = append(sent, p)
			}
		}
		return sent
	}
	t.Run("all_are_sent_again_at_once", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		require.Len(t, resend(b, lost(b, 50)), 50)
	})
	t.Run("once_each", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		sent := resend(b, lost(b, 50))
		for _, p := range sent {
			b.End(at(1), p, budget.Lost)
		}
		require.LessOrEqual(t, len(resend(b, sent)), 2)
	})
	t.Run("from_a_quota_that_successes_earn", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		sent := resend(b, lost(b, 500))
		require.Len(t, sent, 102)
		for _, p := range sent {
			b.End(at(1), p, failed)
		}
		succeed(b, 2, 1000)
		require.InDelta(t, 60+60, len(resend(b, lost(b, 500))), 2, "and in a busy client's room as many as any retries")
	})
	t.Run("not_while_retries_are_stopped", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		stop(t, b, 0.9)
		require.Empty(t, resend(b, lost(b, 50)))
	})
}

// An error that no classifier knows may have nothing to do with the destination ("not found"). A
// policy asks its budget for unknown errors about it, and this one only where there is none.
func TestAdaptive_UnknownErrorsAreFailures(t *testing.T) {
	known, unknown := budget.Adaptive{}.New(), budget.Adaptive{}.New()
	for i := range 20 {
		require.Equal(t, call(known, float64(i), failed, failed, failed), call(unknown, float64(i), budget.Unknown, budget.Unknown, budget.Unknown))
		require.Equal(t, level(known), level(unknown))
	}
}

func TestAdaptive_CountsSuccesses(t *testing.T) {
	b := budget.Adaptive{}.New()
	n := func() uint64 { return b.(budget.Counter).Successes() }
	require.Zero(t, n())
	require.Equal(t, 3, call(b, 0, failed, failed, alive))
	require.EqualValues(t, 1, n(), "failed retries are none")
	succeed(b, 1, 5)
	require.EqualValues(t, 6, n())
	p, ok := b.Admit(at(2), budget.Hedge, silent, b.Begin(time.Time{}))
	require.True(t, ok)
	require.EqualValues(t, 6, n(), "nor are hedges")
	b.End(at(2), p, alive)
	require.EqualValues(t, 7, n())
}

func TestAdaptive_Hedges(t *testing.T) {
	hedge := func(b budget.Budget, when float64) (budget.Permit, bool) {
		return b.Admit(at(when), budget.Hedge, silent, b.Begin(time.Time{}))
	}
	count := func(b budget.Budget, when float64, n int, then budget.Evidence) (admitted int) {
		for range n {
			if p, ok := hedge(b, when); ok {
				admitted++
				b.End(at(when), p, then)
			}
		}
		return admitted
	}
	t.Run("stop_while_nothing_succeeds", func(t *testing.T) {
		require.Equal(t, 2, count(full(budget.Adaptive{}), 1, 100, nothing))
	})
	t.Run("have_a_bucket_of_their_own", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		admitted := 0
		for range 1000 {
			admitted += count(b, 1, 1, alive)
			succeed(b, 1, 5)
		}
		require.Equal(t, 1000, admitted, "one that wins costs nothing")
		require.Equal(t, 3, call(b, 1, failed, failed, alive), "retries have theirs")
	})
	t.Run("that_never_win_are_hardly_sent", func(t *testing.T) {
		b := budget.Adaptive{}.New()
		admitted := 0
		for range 1000 {
			admitted += count(b, 1, 1, nothing)
			succeed(b, 1, 5)
		}
		require.InDelta(t, 0.01*5000, admitted, 10)
	})
	t.Run("that_fail_stop_retries_and_hedges", func(t *testing.T) {
		b := full(budget.Adaptive{})
		require.Equal(t, 1, count(b, 1, 10, silent))
		require.Zero(t, retries(b, 1, 10))
	})
	t.Run("wait_for_nobody", func(t *testing.T) {
		b := full(budget.Adaptive{})
		count(b, 1, 2, nothing)
		_, answer := b.(budget.Queue).Ask(at(1), budget.Hedge, silent, 0)
		require.Equal(t, budget.Refused, answer)
	})
	t.Run("unsent_are_given_back", func(t *testing.T) {
		b := full(budget.Adaptive{})
		require.Equal(t, 100, count(b, 1, 100, unsent))
	})
}

func TestAdaptive_Unsent(t *testing.T) {
	b := full(budget.Adaptive{})
	for range 100 {
		b.End(at(0), granted(t, b, 0, failed, fail(b, 0, failed)), unsent)
	}
	require.Equal(t, 1., level(b))
}

func TestAdaptive_LostPermitsAreForgotten(t *testing.T) {
	b := full(budget.Adaptive{})
	for range 2 { // their operations panicked
		granted(t, b, 0, failed, fail(b, 0, failed))
	}
	require.Zero(t, retries(b, 1, 10))
	require.Zero(t, retries(b, 20, 1), "a retry that got no answer for so long has failed")
	succeed(b, 20, row)
	require.Equal(t, 2, call(b, 20, failed, alive))
}

func TestAdaptive_Clock(t *testing.T) {
	t.Run("that_steps_back_admits_nothing", func(t *testing.T) {
		for _, step := range []float64{1, 75, 3600, 1e6} {
			b := budget.Adaptive{}.New()
			stop(t, b, 0)
			for i := range 20 {
				require.Zero(t, retries(b, -step*float64(i+1), 10))
			}
		}
		b := budget.Adaptive{}.New()
		stop(t, b, 0)
		require.Zero(t, retries(b, 1, 10))
		_, ok := b.Admit(time.Time{}.Add(1), budget.Retry, failed, 0) // as far back as there are numbers
		require.False(t, ok)
	})
	t.Run("that_steps_forward_admits_one_probe", func(t *testing.T) {
		for _, step := range []float64{75, 3600, 1e6, 9e9} {
			b := full(budget.Adaptive{})
			stop(t, b, 0)
			require.LessOrEqual(t, retries(b, step, 100), 1)
			succeed(b, step, row)
			require.Equal(t, 3, call(b, step, failed, failed, alive))
		}
	})
	t.Run("that_is_not_read_is_ignored", func(t *testing.T) {
		b := full(budget.Adaptive{})
		stop(t, b, 0)
		for range 10 {
			b.End(time.Time{}, b.Begin(time.Time{}), failed)
			p, ok := b.Admit(time.Time{}, budget.Retry, failed, 0)
			require.False(t, ok)
			require.Zero(t, p)
			require.Zero(t, retries(b, 1, 10))
		}
	})
}

func TestAdaptive_Drain(t *testing.T) {
	b := budget.Adaptive{}.NewDrained()
	require.Zero(t, level(b))
	require.Zero(t, retries(b, 0, 10))
	_, ok := b.Admit(at(0), budget.Hedge, silent, 0)
	require.False(t, ok)
	require.Zero(t, retries(b, 61, 10))

	b = budget.Adaptive{}.NewDrained()
	succeed(b, 1, 1)
	require.Positive(t, level(b))
	require.Equal(t, 3, call(b, 1, failed, failed, alive))
}

func TestAdaptive_ZeroLevelMeansNoRetries(t *testing.T) {
	b := budget.Adaptive{}.New()
	p := b.Begin(at(0))
	for range 6 {
		before := level(b)
		next, ok := b.Admit(at(0), budget.Retry, failed, p)
		require.False(t, ok && before == 0)
		p = next
	}
	b = budget.Adaptive{}.New()
	p = fail(b, 0, failed)
	for range 6 {
		before := level(b)
		next, ok := b.Admit(at(0), budget.Retry, failed, p)
		require.Equal(t, before > 0, ok)
		if ok {
			b.End(at(0), next, failed)
			p = next
		}
	}
}

func TestAdaptive_EndingTwiceAddsNothing(t *testing.T) {
	b := full(budget.Adaptive{})
	p := granted(t, b, 0, failed, fail(b, 0, failed))
	for range 1000 {
		b.End(at(0), p, alive)
		b.End(at(0), p, unsent)
	}
	require.Equal(t, 1., level(b))
	stop(t, b, 1000)
}

func TestAdaptive_SuccessAllocatesNothingReadsNoClock(t *testing.T) {
	b := full(budget.Adaptive{})
	require.Implements(t, (*budget.Timeless)(nil), b)
	require.Implements(t, (*budget.Queue)(nil), b)
	require.Zero(t, testing.AllocsPerRun(100, func() { b.End(time.Time{}, b.Begin(time.Time{}), alive) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { call(b, 0, failed, alive) }))
}
