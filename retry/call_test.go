package retry_test

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// anyDelay is a strategy that may say anything, as one from elsewhere can.
type anyDelay struct{ t *rapid.T }

func (s anyDelay) Delay(int, time.Duration, float64) time.Duration {
	return rapid.OneOf(
		rapid.Just(time.Duration(0)),
		rapid.Map(rapid.Int64Range(0, 5e9), func(n int64) time.Duration { return time.Duration(n) }),
		rapid.Just(time.Duration(math.MinInt64)),
		rapid.Just(time.Duration(math.MaxInt64)),
	).Draw(s.t, "delay")
}

func anyOutcome() *rapid.Generator[retry.Outcome] {
	return rapid.Custom(func(t *rapid.T) retry.Outcome {
		// Failures that may be retried are the interesting ones.
		class := rapid.SampledFrom([]retry.Class{
			retry.Transient, retry.Transient, retry.Throttled, retry.Timeout, retry.Unprocessed, retry.Unprocessed,
			retry.Success, retry.Rejected, retry.Canceled,
		}).Draw(t, "class")
		o := retry.Outcome{
			Class:   class,
			Alive:   rapid.Bool().Draw(t, "alive"),
			NoRetry: rapid.IntRange(0, 7).Draw(t, "no retry") == 0,
			After: rapid.SampledFrom([]time.Duration{
				0, 0, 0, 1, time.Millisecond, time.Second, time.Minute, time.Hour, math.MaxInt64, math.MinInt64,
			}).Draw(t, "after"),
		}
		if o.NoRetry && rapid.Bool().Draw(t, "forbidden") {
			o = o.Forbid(retry.ReasonNotIdempotent)
		}
		return o
	})
}

// callModel is what any driver may do to a Call, and what must hold whatever it does.
type callModel struct {
	call     retry.Call
	book     *ledger
	max      int
	maxHint  time.Duration
	mayHedge bool
	now      time.Time
	deadline time.Time

	flying  []int
	sent    int
	ended   int  // the attempt that ended last
	closed  bool // nothing may be sent any more
	stop    *retry.Step
	lastDue time.Time
}

func newCallModel(t *rapid.T) *callModel {
	m := &callModel{
		book:     newLedger(),
		max:      rapid.SampledFrom([]int{1, 2, 3, 5, retry.Unlimited}).Draw(t, "max attempts"),
		maxHint:  rapid.SampledFrom([]time.Duration{time.Second, time.Minute, math.MaxInt64}).Draw(t, "max hint"),
		mayHedge: rapid.Bool().Draw(t, "hedge"),
		now:      time.Unix(1e9, 0),
	}
	m.book.refuse = func(budget.Kind) bool { return rapid.IntRange(0, 5).Draw(t, "refuse") == 0 }
	cfg := retry.Config{
		MaxAttempts: m.max, MaxHint: m.maxHint, Budget: budget.Shared(m.book),
		Backoff: anyDelay{t}, ThrottledBackoff: anyDelay{t},
	}
	if m.mayHedge {
		cfg.Hedge = timeout.Fixed(rapid.Int64Range(1, 3e9).Draw(t, "hedge delay"))
	}
	if rapid.Bool().Draw(t, "has a deadline") {
		m.deadline = m.now.Add(time.Duration(rapid.Int64Range(1, 20e9).Draw(t, "deadline")))
	}
	p, err := retry.New(cfg, retry.WithRand(func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "u") }))
	if err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "first attempt outside") {
		first := p.Begin()
		m.call = p.Resume(m.now, first, m.deadline, false) // a first attempt that nobody timed is not hedged
		m.sent, m.flying, m.mayHedge = 1, []int{1}, false
	} else {
		m.call = p.Start(m.now, m.deadline, m.mayHedge)
	}
	return m
}

func (m *callModel) next(t *rapid.T) {
	step := m.call.Next(m.now)
	switch step.Op {
	case retry.Send:
		m.sentOne(t, step)
	case retry.Wait:
		require.Nil(t, m.stop, "a wait after a stop")
		if step.At.IsZero() {
			require.NotEmpty(t, m.flying, "waits for a result that cannot come")
		} else {
			require.True(t, step.At.After(m.now), "a wait until a time that has passed")
			m.lastDue = step.At
		}
		if len(m.flying) == 0 && !m.deadline.IsZero() {
			require.True(t, step.At.Before(m.deadline), "a wait into the deadline")
		}
		require.Equal(t, step, m.call.Next(m.now), "asking twice")
	case retry.Stop:
		m.stopped(t, step)
		require.Equal(t, step, m.call.Next(m.now), "asking twice")
	default:
		t.Fatalf("unknown op %d", step.Op)
	}
}

func (m *callModel) sentOne(t *rapid.T, step retry.Step) {
	require.Nil(t, m.stop, "a send after a stop")
	require.False(t, m.closed, "a send although a server said no, or asked for too much")
	m.sent++
	require.Equal(t, m.sent, step.Attempt, "attempts are numbered in turn")
	require.Equal(t, m.sent == 1, step.Kind == budget.First)
	if step.Kind == budget.Hedge {
		require.True(t, m.mayHedge)
		require.NotEmpty(t, m.flying, "a hedge of nothing")
		require.False(t, !m.deadline.IsZero() && !m.now.Before(m.deadline), "a hedge past the deadline")
	}
	m.flying = append(m.flying, step.Attempt)
	r := m.call.Report()
	require.LessOrEqual(t, r.Unprocessed, 2, "resent for nothing too often")
	if m.max != retry.Unlimited {
		require.LessOrEqual(t, r.Attempts-r.Unprocessed, m.max)
	}
	require.LessOrEqual(t, r.Attempts-r.Unprocessed-1, m.book.admits, "sent without a permit")
}

func (m *callModel) stopped(t *rapid.T, step retry.Step) {
	require.NotEqual(t, retry.ReasonNone, step.Reason)
	require.Equal(t, m.ended, step.Attempt, "the answer is the attempt that ended last")
	if m.stop != nil {
		require.Equal(t, *m.stop, step, "a stop is for good")
	}
	m.stop = &step
	m.flying = nil
	m.book.settled(t)
}

func (m *callModel) done(t *rapid.T, attempt int, o retry.Outcome) {
	before := m.call.Report()
	m.call.Done(m.now, attempt, o)
	if before.Reason != retry.ReasonNone { // it had stopped, and the driver had not asked yet
		require.Equal(t, before, m.call.Report(), "an attempt that ends after the stop")
		return
	}
	m.ended = attempt
	free := m.call.Report().Unprocessed > before.Unprocessed
	switch {
	case free:
		require.Equal(t, retry.Unprocessed, o.Class)
		require.True(t, o.Alive, "a refused dial is not free")
	case o.Class == retry.Success || o.Class == retry.Rejected || o.Class == retry.Canceled:
		m.closed = true
	case o.NoRetry || o.After > m.maxHint:
		m.closed = true
	}
}

func (m *callModel) check(t *rapid.T) {
	r := m.call.Report()
	require.Equal(t, m.sent, r.Attempts)
	require.GreaterOrEqual(t, r.Waited, time.Duration(0))
	require.GreaterOrEqual(t, r.Retries(), 0)
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	require.Empty(t, m.book.wrong)
}

func TestCallHoldsItsLawsUnderAnySchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newCallModel(t)
		land := func(t *rapid.T) {
			if len(m.flying) == 0 {
				t.Skip("nothing is under way")
			}
			i := rapid.IntRange(0, len(m.flying)-1).Draw(t, "which")
			attempt := m.flying[i]
			m.flying = append(m.flying[:i:i], m.flying[i+1:]...)
			m.done(t, attempt, anyOutcome().Draw(t, "outcome"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"":     m.check,
			"next": m.next,
			"ask":  m.next,
			"done": land,
			"land": land,
			"strange done": func(t *rapid.T) {
				before := m.call.Report()
				attempt := rapid.SampledFrom([]int{-1, 0, m.sent + 1, math.MaxInt}).Draw(t, "attempt")
				m.call.Done(m.now, attempt, anyOutcome().Draw(t, "outcome"))
				require.Equal(t, before, m.call.Report(), "an attempt that was never sent")
			},
			"pass time": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.OneOf(
					rapid.Int64Range(0, 2e9), rapid.Just(int64(100*365*24*time.Hour)),
				).Draw(t, "by")))
			},
			"wake": func(t *rapid.T) {
				if m.lastDue.Before(m.now) {
					t.Skip("not waiting")
				}
				m.now = m.lastDue
				m.next(t)
			},
			"cancel": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") != 0 {
					t.Skip("not yet")
				}
				m.call.Cancel(m.now)
				m.next(t)
				require.NotNil(t, m.stop)
			},
		})
		m.call.Cancel(m.now)
		m.next(t)
		require.NotNil(t, m.stop, "a call that was cancelled stops")
		m.settle(t)
	})
}

// settle checks the books: every permit ended once, and handed back unsent only if no attempt used it.
func (m *callModel) settle(t *rapid.T) {
	m.book.settled(t)
	unsent := 0
	for _, e := range m.book.ends {
		if e == budget.Unsent {
			unsent++
		}
	}
	r := m.call.Report()
	permits := int(m.book.last)
	require.Equal(t, permits-(r.Attempts-r.Unprocessed), unsent, "%d permits for %+v", permits, r)
}

var (
	transient  = retry.Outcome{Class: retry.Transient}
	handedBack = retry.Outcome{Class: retry.Unprocessed, Alive: true}
)

func TestHandedBackIsFreeTwice(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 1, Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, false)
	for i := 1; i <= 3; i++ {
		s := c.Next(now)
		require.Equal(t, retry.Send, s.Op, "attempt %d goes out at once", i)
		require.Equal(t, i, s.Attempt)
		c.Done(now, i, handedBack)
	}
	require.Equal(t, retry.Step{Op: retry.Stop, Attempt: 3, Reason: retry.ReasonMaxAttempts}, c.Next(now))
	require.Empty(t, l.asked, "the budget was asked for a free attempt")
	l.settled(t)
	r := c.Report()
	require.Equal(t, 2, r.Unprocessed)
	require.Equal(t, 3, r.Attempts)
	require.Zero(t, r.Retries())
}

func TestRefusedDialPays(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 2, Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, false)
	c.Next(now)
	c.Done(now, 1, retry.Outcome{Class: retry.Unprocessed})
	require.Equal(t, retry.Wait, c.Next(now).Op, "it waits like any failure")
	require.Equal(t, []ask{{budget.Retry, budget.Failed, 1}}, l.asked)
	now = now.Add(time.Second)
	require.Equal(t, retry.Send, c.Next(now).Op)
	c.Done(now, 2, retry.Outcome{Class: retry.Unprocessed})
	require.Equal(t, retry.ReasonMaxAttempts, c.Next(now).Reason)
	l.settled(t)
}

func TestEveryClassIsToldToTheBudget(t *testing.T) {
	for _, c := range []struct {
		o    retry.Outcome
		want budget.Evidence
	}{
		{retry.Outcome{}, budget.Alive},
		{retry.Outcome{Class: retry.Rejected, Alive: true}, budget.Alive},
		{retry.Outcome{Class: retry.Rejected}, budget.None},
		{retry.Outcome{Class: retry.Rejected, Alive: true, NoRetry: true}, budget.Failed},
		{transient, budget.Failed},
		{retry.Outcome{Class: retry.Throttled}, budget.Overloaded},
		{retry.Outcome{Class: retry.Timeout}, budget.Silent},
		{retry.Outcome{Class: retry.Unprocessed}, budget.Failed},
		{retry.Outcome{Class: retry.Unprocessed, Alive: true, NoRetry: true}, budget.None},
		{retry.Outcome{Class: retry.Canceled}, budget.None},
		{retry.Outcome{Class: 99}, budget.Failed},
	} {
		l := newLedger()
		p := always(t, retry.Config{MaxAttempts: 1, Budget: budget.Shared(l)})
		call := p.Start(time.Unix(0, 0), time.Time{}, false)
		call.Next(time.Unix(0, 0))
		call.Done(time.Unix(0, 0), 1, c.o)
		require.Equal(t, []budget.Evidence{c.want}, l.ends, "%+v", c.o)
	}
}

func TestServerSaysDoNotRetry(t *testing.T) {
	for _, class := range []retry.Class{retry.Transient, retry.Throttled, retry.Rejected, retry.Unprocessed} {
		p := always(t, retry.Config{})
		now := time.Unix(0, 0)
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		c.Done(now, 1, retry.Outcome{Class: class, Alive: true, NoRetry: true})
		require.Equal(t, retry.Step{Op: retry.Stop, Attempt: 1, Reason: retry.ReasonNoRetry}, c.Next(now), class)
	}
}

func TestNoRetryWithAnotherAttemptUnderWayLetsItFinish(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, true)
	c.Next(now)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind)
	c.Done(now, 1, retry.Outcome{Class: retry.Transient, NoRetry: true})
	now = now.Add(time.Hour)
	require.Equal(t, retry.Step{Op: retry.Wait}, c.Next(now), "only the attempt under way moves it")
	c.Done(now, 2, transient)
	require.Equal(t, retry.Step{Op: retry.Stop, Attempt: 2, Reason: retry.ReasonNoRetry}, c.Next(now))
	l.settled(t)
}

func TestNoRetryWithdrawsThePendingRetry(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, true)
	c.Next(now)
	now = now.Add(time.Second)
	c.Next(now)
	c.Done(now, 1, transient) // a retry is pending
	c.Done(now, 2, retry.Outcome{Class: retry.Transient, NoRetry: true})
	require.Equal(t, retry.Step{Op: retry.Stop, Attempt: 2, Reason: retry.ReasonNoRetry}, c.Next(now))
	require.Contains(t, l.ends, budget.Unsent)
	l.settled(t)
}

func TestALongerHintOfASecondFailurePutsTheRetryOff(t *testing.T) {
	p := always(t, retry.Config{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second)}, retry.WithRand(func() float64 { return 0 }))
	start := time.Unix(0, 0)
	now := start
	run := func(deadline time.Time, after time.Duration) retry.Step {
		now = start
		c := p.Start(now, deadline, true)
		c.Next(now)
		now = now.Add(time.Second)
		c.Next(now)
		c.Done(now, 1, transient) // due a second later
		c.Done(now, 2, retry.Outcome{Class: retry.Throttled, After: after})
		return c.Next(now)
	}
	require.Equal(t, start.Add(6*time.Second), run(time.Time{}, 5*time.Second).At)
	require.Equal(t, start.Add(2*time.Second), run(time.Time{}, 10*time.Millisecond).At, "a shorter one does not bring it forward")
	require.Equal(t, start.Add(2*time.Second), run(time.Time{}, 0).At)
	s := run(start.Add(4*time.Second), 5*time.Second)
	require.Equal(t, retry.Step{Op: retry.Stop, Attempt: 2, Reason: retry.ReasonDeadline}, s)
}

func TestManyAttemptsUnderWay(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 6, Hedge: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
	for _, order := range [][]int{{1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}, {3, 1, 6, 2, 5, 4}} {
		now := time.Unix(0, 0)
		c := p.Start(now, time.Time{}, true)
		for n := 1; n <= 6; n++ {
			require.Equal(t, n, c.Next(now).Attempt)
			require.Equal(t, retry.Wait, c.Next(now).Op)
			now = now.Add(time.Second)
		}
		require.Equal(t, retry.Step{Op: retry.Wait}, c.Next(now), "all are sent")
		for i, attempt := range order {
			require.NotEqual(t, retry.Stop, c.Next(now).Op)
			c.Done(now, attempt, transient)
			c.Done(now, attempt, retry.Outcome{}) // twice is ignored
			if i == len(order)-1 {
				require.Equal(t, retry.Step{Op: retry.Stop, Attempt: attempt, Reason: retry.ReasonMaxAttempts}, c.Next(now))
			}
		}
		require.Equal(t, 5, c.Report().Hedges)
	}
	l.settled(t)
}

func TestCancelBeforeTheFirstAttempt(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, now.Add(time.Second), false)
	c.Cancel(now)
	require.Equal(t, retry.Step{Op: retry.Stop, Reason: retry.ReasonCanceled}, c.Next(now))
	c = p.Start(now, now.Add(time.Second), false)
	c.Cancel(now.Add(time.Second))
	require.Equal(t, retry.Step{Op: retry.Stop, Reason: retry.ReasonDeadline}, c.Next(now))
	c.Cancel(now)
	require.Equal(t, retry.ReasonDeadline, c.Next(now).Reason, "a stop is for good")
	require.Zero(t, l.last)
}

func TestDelaysOfAnyLengthDoNotOverflow(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for base, attempts := range map[time.Duration]int{
		1: 1_000_000, time.Millisecond: 10_000, time.Hour: 10_000, 100 * year: 10_000,
	} {
		p := always(t, retry.Config{MaxAttempts: retry.Unlimited, Backoff: backoff.Exponential(base, 100*year)})
		now := time.Unix(0, 0)
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		for n := 1; n < attempts; n++ {
			c.Done(now, n, transient)
			s := c.Next(now)
			if s.Op == retry.Wait {
				if !s.At.After(now) || s.At.After(now.Add(100*year)) {
					t.Fatalf("base %v, attempt %d: due %v after now", base, n, s.At.Sub(now))
				}
				now = s.At
				s = c.Next(now)
			}
			if s.Op != retry.Send || s.Attempt != n+1 {
				t.Fatalf("base %v, attempt %d: %+v", base, n, s)
			}
		}
		require.Greater(t, c.Report().Waited, 100*year, base)
	}
}

func TestHintNearTheLongestDuration(t *testing.T) {
	p := always(t, retry.Config{MaxHint: math.MaxInt64}, retry.WithRand(func() float64 { return 0.99 }))
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, false)
	c.Next(now)
	after := 280 * 365 * 24 * time.Hour
	c.Done(now, 1, retry.Outcome{Class: retry.Transient, After: after})
	s := c.Next(now)
	require.Equal(t, retry.Wait, s.Op)
	require.False(t, s.At.Before(now.Add(after)), "sooner than the server asked for")
}

func TestUnlimitedAttemptsKeepMemoryFlat(t *testing.T) {
	p := always(t, retry.Config{MaxAttempts: retry.Unlimited, Backoff: backoff.None()})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, false)
	c.Next(now)
	n := 1
	require.Zero(t, testing.AllocsPerRun(100_000, func() {
		c.Done(now, n, transient)
		c.Next(now)
		n++
	}))
	require.Greater(t, c.Report().Attempts, 100_000)
	runtime.KeepAlive(&c)
}

func TestAdmitIsToldTheLatestPermit(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 4, Hedge: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, true)
	require.Equal(t, retry.Send, c.Next(now).Op)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind) // permit 2
	c.Done(now, 1, retry.Outcome{Class: retry.Transient})
	require.Equal(t, []ask{{budget.Hedge, budget.Silent, 1}, {budget.Retry, budget.Failed, 2}}, l.asked)
}

func TestResumeOfAnUntimedFirstAttemptHedgesAfterTheDelay(t *testing.T) {
	p := always(t, retry.Config{Hedge: timeout.Fixed(time.Second)})
	now := time.Unix(0, 0)
	c := p.Resume(now, p.Begin(), time.Time{}, true)
	require.Equal(t, retry.Step{Op: retry.Wait, At: now.Add(time.Second)}, c.Next(now))
}

func TestHandedBackAtTheDeadlineIsNotResent(t *testing.T) {
	p := always(t, retry.Config{})
	start := time.Unix(0, 0)
	deadline := start.Add(time.Second)
	c := p.Start(start, deadline, false)
	c.Next(start)
	c.Done(deadline, 1, retry.Outcome{Class: retry.Unprocessed, Alive: true})
	s := c.Next(deadline)
	require.Equal(t, retry.Stop, s.Op)
	require.Equal(t, retry.ReasonDeadline, s.Reason)
}

func TestARetryIsNotSentANanosecondEarly(t *testing.T) {
	p := always(t, retry.Config{})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, false)
	c.Next(now)
	c.Done(now, 1, transient)
	due := now.Add(time.Second)
	require.Equal(t, retry.Step{Op: retry.Wait, At: due}, c.Next(due.Add(-1)))
	require.Equal(t, retry.Step{Op: retry.Send, Kind: budget.Retry, Attempt: 2}, c.Next(due))
}

func TestARefusedHedgeIsAskedForOnceAnAttempt(t *testing.T) {
	l := newLedger()
	l.refuse = func(k budget.Kind) bool { return k == budget.Hedge }
	p := always(t, retry.Config{Hedge: timeout.Fixed(time.Second), Backoff: backoff.None(), Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, true)
	require.Equal(t, 1, c.Next(now).Attempt)
	for range 5 {
		now = now.Add(time.Second)
		require.Equal(t, retry.Step{Op: retry.Wait}, c.Next(now))
	}
	require.Equal(t, 1, l.refused)
	c.Done(now, 1, transient)
	require.Equal(t, 2, c.Next(now).Attempt)
	require.Equal(t, retry.Step{Op: retry.Wait, At: now.Add(time.Second)}, c.Next(now))
	for range 5 {
		now = now.Add(time.Second)
		require.Equal(t, retry.Step{Op: retry.Wait}, c.Next(now))
	}
	require.Equal(t, 2, l.refused, "the next attempt may be hedged again")
	l.refuse = nil
	c.Done(now, 2, transient)
	c.Next(now)
	c.Done(now, 3, transient)
	require.Equal(t, retry.ReasonMaxAttempts, c.Next(now).Reason)
	l.settled(t)
}

func TestHandedBackWhileARetryIsPendingIsAFailure(t *testing.T) {
	l := newLedger()
	p := always(t, retry.Config{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: budget.Shared(l)})
	now := time.Unix(0, 0)
	c := p.Start(now, time.Time{}, true)
	c.Next(now)
	now = now.Add(time.Second)
	c.Next(now)
	c.Done(now, 1, transient) // due in a second
	c.Done(now, 2, handedBack)
	require.Equal(t, retry.Step{Op: retry.Wait, At: now.Add(time.Second)}, c.Next(now))
	now = now.Add(time.Second)
	require.Equal(t, 3, c.Next(now).Attempt)
	c.Done(now, 3, retry.Outcome{})
	require.Equal(t, retry.ReasonSuccess, c.Next(now).Reason)
	require.Zero(t, c.Report().Unprocessed)
	l.settled(t)
}

func TestTheBudgetIsToldWhyARetryIsAskedFor(t *testing.T) {
	for class, want := range map[retry.Class]budget.Evidence{
		retry.Transient: budget.Failed, retry.Throttled: budget.Overloaded, retry.Timeout: budget.Silent,
		retry.Unprocessed: budget.Failed,
	} {
		l := newLedger()
		p := always(t, retry.Config{Budget: budget.Shared(l)})
		now := time.Unix(0, 0)
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		c.Done(now, 1, retry.Outcome{Class: class})
		require.Equal(t, []ask{{budget.Retry, want, 1}}, l.asked, class)
		c.Cancel(now)
		require.Equal(t, []budget.Evidence{want, budget.Unsent}, l.ends)
	}
}
