package budget_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

func TestANewProcessStartsWithTwoThirds(t *testing.T) {
	b := budget.Adaptive{}.New()
	require.InDelta(t, 10./15, b.(budget.Leveler).Level(), 1e-9)
	succeed(b, 0, 49)
	require.Less(t, b.(budget.Leveler).Level(), 1.)
	succeed(b, 0, 1)
	require.Equal(t, 1., b.(budget.Leveler).Level())
	require.Equal(t, 2, call(budget.Adaptive{Burst: 1}.New(), 0, failed, alive), "the smallest bucket affords one")
}

func TestABucketFilledInGoodTimesIsNotSpentOnAnOutage(t *testing.T) {
	require.Equal(t, 2, retries(full(budget.Adaptive{}), 1, 1000))
	require.Equal(t, 1, retries(full(budget.Adaptive{Strict: true}), 1, 1000))
}

func TestThrottlesAndSilenceCountAsFailuresDo(t *testing.T) {
	for _, e := range []budget.Evidence{failed, busy, silent} {
		b := full(budget.Adaptive{})
		require.Equal(t, 3, call(b, 1, e, e, e))
		require.Equal(t, 1, call(b, 2, e, e, e))
	}
}

func TestOneSuccessEndsTheOutage(t *testing.T) {
	b := full(budget.Adaptive{})
	retries(b, 1, 1000)
	require.Zero(t, b.(budget.Leveler).Level())
	succeed(b, 20, 1)
	require.Greater(t, b.(budget.Leveler).Level(), 0.8)
	require.Equal(t, 3, call(b, 20, failed, failed, alive), "the very next call may retry")
}

func TestSuccessesUnderWayAnswerNothing(t *testing.T) {
	b := full(budget.Adaptive{})
	before := make([]budget.Permit, 500)
	for i := range before {
		before[i] = b.Begin(at(0))
	}
	sent := retries(b, 1, 100)
	for _, p := range before {
		b.End(at(2), p, alive)
		sent += retries(b, 2, 1)
	}
	require.Equal(t, 2, sent)
}

func TestOnlyWhatWasSentAfterARetryAnswersIt(t *testing.T) {
	b := full(budget.Adaptive{Strict: true})
	first := b.Begin(at(0))
	before := b.Begin(at(0))
	b.End(at(0), first, failed)
	retry, ok := b.Admit(at(0), budget.Retry, failed, first)
	require.True(t, ok)
	b.End(at(0), before, alive)
	require.Zero(t, b.(budget.Leveler).Level())
	b.End(at(0), retry, alive)
	require.Equal(t, 1, retries(b, 0, 5), "the retry's own success answers it")
}

func TestASuccessAnswersTheRetriesBeforeItAndNoOthers(t *testing.T) {
	b := full(budget.Adaptive{})
	require.Equal(t, 1, retries(b, 0, 1))
	between := b.Begin(at(0))
	require.Equal(t, 1, retries(b, 0, 1))
	b.End(at(0), between, alive)
	require.Equal(t, 1, retries(b, 0, 100), "the second is still open")
}

func TestMaxAttemptsMeansWhatItSaysOnAQuietClient(t *testing.T) {
	require.Equal(t, 3, call(budget.Adaptive{}.New(), 0, failed, failed, alive))
	require.Equal(t, 5, call(budget.Adaptive{}.New(), 0, failed, failed, failed, failed, alive))
	require.Equal(t, 5, call(budget.Adaptive{}.New(), 0, failed, failed, failed, failed, failed, alive),
		"a call of unlimited attempts is stopped at the fifth")
	require.Equal(t, 2, call(budget.Adaptive{Strict: true}.New(), 0, failed, failed, alive))
}

func TestACallPassesTheWindowOnlyWhileAllThatIsOpenIsItsOwn(t *testing.T) {
	b := full(budget.Adaptive{})
	mine := b.Begin(at(0))
	mine, ok := b.Admit(at(0), budget.Retry, failed, mine)
	require.True(t, ok)
	require.Equal(t, 2, call(b, 0, failed, failed, failed), "another call takes the second place")
	_, ok = b.Admit(at(0), budget.Retry, failed, mine)
	require.False(t, ok)
}

func TestOneCallAMinuteLooksLessAndLessOftenInAnOutage(t *testing.T) {
	b := full(budget.Adaptive{})
	var sent []int
	for minute := range 16 {
		sent = append(sent, call(b, 60*float64(minute), failed, failed, failed))
	}
	require.Equal(t, []int{3, 2, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2}, sent)
	require.Equal(t, 1, call(b, 960, alive))
	require.Equal(t, 3, call(b, 1020, failed, failed, alive), "one answer ends it")

	b = full(budget.Adaptive{})
	call(b, 0, failed, failed, failed)
	require.Equal(t, 2, call(b, 60, failed, alive), "the first call after a short outage")
	require.Equal(t, 3, call(b, 120, failed, failed, alive))
}

func TestAfterAMinuteWithoutARetryOneMayLook(t *testing.T) {
	b := full(budget.Adaptive{})
	require.Equal(t, 2, retries(b, 0, 10))
	require.Zero(t, retries(b, 50, 10))
	require.Equal(t, 1, retries(b, 61, 10))
	require.Zero(t, retries(b, 150, 10))
	require.Equal(t, 1, retries(b, 190, 10))
	require.Equal(t, 1, retries(b, 24*3600, 10))
}

func TestAClockThatStepsBackForgetsNothing(t *testing.T) {
	b := full(budget.Adaptive{})
	require.Equal(t, 2, retries(b, 60, 10))
	require.Zero(t, retries(b, 0, 10))
	require.NotPanics(t, func() { b.Admit(time.Time{}, budget.Retry, failed, 0) })
}

func TestUnsentGivesBackItsTokenAndItsPlace(t *testing.T) {
	b := full(budget.Adaptive{Strict: true})
	for range 100 {
		p, ok := b.Admit(at(0), budget.Retry, failed, b.Begin(at(0)))
		require.True(t, ok)
		b.End(at(0), p, unsent)
	}
	require.Equal(t, 1., b.(budget.Leveler).Level())
	require.Equal(t, 1, retries(b, 0, 10))
	b.End(at(0), b.Begin(at(0)), unsent)
	require.Zero(t, retries(b, 0, 10), "a first attempt has nothing to give back")
	succeed(b, 0, 1)
	require.InDelta(t, 14.1/15, b.(budget.Leveler).Level(), 1e-9)
}

func TestALoserIsNotRefunded(t *testing.T) {
	b := full(budget.Adaptive{})
	p, ok := b.Admit(at(0), budget.Hedge, silent, b.Begin(at(0)))
	require.True(t, ok)
	b.End(at(0), p, nothing)
	succeed(b, 0, 1)
	require.InDelta(t, 14.1/15, b.(budget.Leveler).Level(), 1e-9)
}

func TestHedgesAndRetriesAreOneLedger(t *testing.T) {
	b := full(budget.Adaptive{})
	for range 2 {
		_, ok := b.Admit(at(0), budget.Hedge, silent, b.Begin(at(0)))
		require.True(t, ok)
	}
	_, ok := b.Admit(at(0), budget.Hedge, silent, b.Begin(at(0)))
	require.False(t, ok)
	require.Zero(t, retries(b, 0, 10))
}

func TestANeedlessRefusalWidensTheWindow(t *testing.T) {
	b := full(budget.Adaptive{})
	widths := []int{}
	for range 5 {
		widths = append(widths, retries(b, 0, 100))
		succeed(b, 0, 1000)
	}
	require.Equal(t, []int{2, 3, 4, 5, 6}, widths)
	require.Equal(t, 5, retries(b, 60, 100), "it narrows by one in half a minute")
	succeed(b, 60, 1000)
	require.Equal(t, 2, retries(b, 600, 100))
}

func TestAWindowThatRefusedNobodyStaysAsItIs(t *testing.T) {
	b := full(budget.Adaptive{})
	for range 100 {
		require.Equal(t, 2, retries(b, 0, 2))
		succeed(b, 0, 1000)
	}
	require.Equal(t, 2, retries(b, 0, 100))
}

func TestEndingTwiceMintsNoMoreThanABucket(t *testing.T) {
	b := full(budget.Adaptive{})
	p, _ := b.Admit(at(0), budget.Retry, failed, b.Begin(at(0)))
	for range 1000 {
		b.End(at(0), p, alive)
		b.End(at(0), p, unsent)
	}
	require.Equal(t, 1., b.(budget.Leveler).Level())
	require.Equal(t, 2, retries(b, 0, 100))
}

func TestTheRuleHoldsWhenTheStampComesAround(t *testing.T) {
	b := full(budget.Adaptive{Strict: true, Ratio: 1})
	old := b.Begin(at(0))
	for n := range 1<<16 + 5 {
		require.Equal(t, 2, call(b, 0, failed, alive), n)
	}
	require.Equal(t, 1, retries(b, 0, 100))
	b.End(at(0), old, alive)
	require.Zero(t, retries(b, 0, 100), "an attempt from before answers nothing")
	succeed(b, 0, 1)
	require.Equal(t, 2, call(b, 0, failed, alive))
}

func TestAdaptiveIsTimeless(t *testing.T) {
	require.Implements(t, (*budget.Timeless)(nil), budget.Adaptive{}.New())
}

func TestASuccessOnAFullBucketAllocatesNothing(t *testing.T) {
	b := full(budget.Adaptive{})
	require.Zero(t, testing.AllocsPerRun(100, func() { succeed(b, 0, 1) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { call(b, 0, failed, alive) }))
}
