package call_test

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
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

func anyOutcome() *rapid.Generator[call.Outcome] {
	return rapid.Custom(func(t *rapid.T) call.Outcome {
		// Failures that may be retried are the interesting ones.
		class := rapid.SampledFrom([]call.Class{
			call.Transient, call.Transient, call.Throttled, call.Timeout, call.Unprocessed, call.Unprocessed,
			call.Success, call.Rejected, call.Rejected, call.Canceled,
		}).Draw(t, "class")
		return call.Outcome{
			Class:  class,
			Alive:  rapid.Bool().Draw(t, "alive"),
			Shadow: rapid.Bool().Draw(t, "shadow"),
			Forbidden: rapid.SampledFrom([]call.Reason{
				0, 0, 0, 0, 0, 0, call.ReasonNoRetry, call.ReasonNotIdempotent,
			}).Draw(t, "forbidden"),
			After: rapid.SampledFrom([]time.Duration{
				0, 0, 0, 1, time.Millisecond, time.Second, time.Minute, time.Hour, math.MaxInt64, math.MinInt64,
			}).Draw(t, "after"),
			Evidence: rapid.SampledFrom([]budget.Evidence{0, 0, budget.Lost, budget.Unknown}).Draw(t, "evidence"),
		}
	})
}

// callModel drives a Call as any driver may, and checks what must hold whatever a driver does.
type callModel struct {
	call     call.Call
	book     *testkit.Ledger
	spare    *testkit.Ledger // of errors that no classifier knows; nil: none
	queue    *fakeQueue      // book, if that is asked when a retry is due
	max      int
	maxHint  time.Duration
	mayHedge bool
	resets   bool // a failed attempt may begin the call anew
	off      bool // retries and hedges are switched off
	now      time.Time
	deadline time.Time

	flying  []int
	sent    int
	freed   int       // attempts that were to be resent for nothing
	ended   int       // the attempt that ended last
	refused int       // the attempt whose refusal did not beat another
	notYet  time.Time // a server asked to be left alone until then
	closed  bool      // nothing may be sent any more
	stop    *call.Step
	lastDue time.Time
}

func newCallModel(t *rapid.T) *callModel {
	m := &callModel{
		book:     testkit.NewLedger(),
		max:      rapid.SampledFrom([]int{1, 2, 3, 5, 0}).Draw(t, "max attempts"),
		maxHint:  rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 0}).Draw(t, "max hint"),
		mayHedge: rapid.Bool().Draw(t, "hedge"),
		now:      time.Unix(1e9, 0),
	}
	m.book.Refuse = func(budget.Kind) bool { return rapid.IntRange(0, 5).Draw(t, "refuse") == 0 }
	r := &call.Rules{
		MaxAttempts: m.max, MaxHint: m.maxHint, Budget: m.book, Backoff: anyDelay{t}, ThrottledBackoff: anyDelay{t},
		Rand: func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "u") }, Off: func() bool { return m.off },
	}
	if rapid.Bool().Draw(t, "has a queue") {
		m.queue = &fakeQueue{Ledger: m.book, say: func() budget.Answer {
			return rapid.SampledFrom([]budget.Answer{budget.Granted, budget.Later, budget.Later, budget.Refused}).Draw(t, "answer")
		}, hopeless: func() bool { return rapid.IntRange(0, 5).Draw(t, "hopeless") == 0 }}
		r.Budget = m.queue
	}
	if rapid.Bool().Draw(t, "has a spare budget") {
		m.spare = testkit.NewLedger()
		m.spare.Refuse = m.book.Refuse
		r.Unknown = m.spare
	}
	if m.mayHedge {
		r.Hedge = timeout.Fixed(rapid.Int64Range(1, 3e9).Draw(t, "hedge delay"))
	}
	if rapid.Bool().Draw(t, "shares pauses") {
		r.Pause = dest.NewPauses(1).Of("")
	}
	r.MaxElapsed = time.Duration(max(0, rapid.Int64Range(-20e9, 20e9).Draw(t, "max elapsed")))
	r.ResetAfter = time.Duration(max(0, rapid.Int64Range(-3e9, 3e9).Draw(t, "reset after")))
	m.resets = r.ResetAfter > 0
	o := call.Options{Hedge: m.mayHedge, Reset: m.resets}
	if rapid.Bool().Draw(t, "has a deadline") {
		m.deadline = m.now.Add(time.Duration(rapid.Int64Range(1, 20e9).Draw(t, "deadline")))
		o.Deadline = m.deadline
	}
	if rapid.Bool().Draw(t, "first attempt outside") {
		first := call.First{Permit: m.book.Begin(m.now)}
		o.Hedge, m.mayHedge = false, false // a first attempt that nobody timed is not hedged
		m.call = r.Resume(m.now, first, o)
		m.sent, m.flying = 1, []int{1}
	} else {
		m.call = r.Start(m.now, o)
	}
	return m
}

func (m *callModel) next(t *rapid.T) {
	step := m.call.Next(m.now)
	switch step.Op {
	case call.Send:
		m.sentOne(t, step)
	case call.Wait:
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
	case call.Stop:
		m.stopped(t, step)
		require.Equal(t, step, m.call.Next(m.now), "asking twice")
	default:
		t.Fatalf("unknown op %d", step.Op)
	}
}

func (m *callModel) sentOne(t *rapid.T, step call.Step) {
	require.Nil(t, m.stop, "a send after a stop")
	require.False(t, m.off && m.sent > 0, "a second attempt although these are switched off")
	require.False(t, m.closed, "a send although a server said no, or asked for too much")
	require.False(t, m.now.Before(m.notYet), "a send before the end of a wait that a server asked for")
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
	if m.max > 0 && !m.resets {
		require.LessOrEqual(t, r.Attempts-r.Unprocessed, m.max)
	}
	admits := m.book.Admits
	if m.spare != nil {
		admits += m.spare.Admits
	}
	require.LessOrEqual(t, r.Attempts-r.Unprocessed-1, admits, "sent without a permit")
}

func (m *callModel) stopped(t *rapid.T, step call.Step) {
	require.NotEqual(t, call.ReasonNone, step.Reason)
	if m.refused != 0 && step.Attempt != m.ended {
		require.Equal(t, m.refused, step.Attempt, "a refusal is the answer of a call that got no better")
	} else {
		require.Equal(t, m.ended, step.Attempt, "the answer is the attempt that ended last")
	}
	if m.stop != nil {
		require.Equal(t, *m.stop, step, "a stop is for good")
	}
	m.stop = &step
	m.flying = nil
	m.settled(t)
}

func (m *callModel) settled(t *rapid.T) {
	m.book.Settled(t)
	if m.spare != nil {
		m.spare.Settled(t)
	}
	if m.queue != nil {
		require.Empty(t, m.queue.tickets, "a call that has stopped waits for the budget's answer")
	}
}

func (m *callModel) done(t *rapid.T, attempt int, o call.Outcome) {
	before := m.call.Report()
	m.call.Done(m.now, attempt, o)
	after := m.call.Report()
	if before.Reason != call.ReasonNone { // it had stopped, and the driver had not asked yet
		require.Equal(t, before, after, "an attempt that ends after the stop")
		return
	}
	m.ended = attempt
	switch {
	case after.Unprocessed > before.Unprocessed:
		require.Equal(t, call.Unprocessed, o.Class)
		require.True(t, o.Alive, "a refused dial is not free")
		require.Less(t, o.After, time.Millisecond, "a wait that is asked for is not free")
		m.freed++
		return
	case o.Class == call.Success || o.Class == call.Canceled:
		m.closed = true
		require.NotEqual(t, call.ReasonNone, after.Reason)
	case o.Class == call.Rejected:
		m.closed = true
		mayBeShadow := o.Shadow && attempt > 1
		if o.Alive && (mayBeShadow || len(m.flying) == 0) {
			m.refused = attempt
		}
		ends := len(m.flying) == 0 || o.Alive && !mayBeShadow
		require.Equal(t, ends, after.Reason != call.ReasonNone, "only an application's own answer beats one under way")
	case o.Forbidden != call.ReasonNone || m.maxHint > 0 && o.After > m.maxHint:
		m.closed = true
	case o.After >= time.Millisecond:
		until := m.now.Add(o.After)
		if until.Sub(time.Unix(1e9, 0)) < 200*365*24*time.Hour && until.After(m.notYet) { // a Duration reaches no further
			m.notYet = until
		}
	}
	if len(m.flying) > 0 && o.Class != call.Success && o.Class != call.Rejected && o.Class != call.Canceled {
		require.Equal(t, call.ReasonNone, after.Reason, "a retryable failure never beats an attempt under way")
	}
}

func (m *callModel) check(t *rapid.T) {
	r := m.call.Report()
	require.Equal(t, m.sent, r.Attempts)
	require.GreaterOrEqual(t, r.Waited, time.Duration(0))
	require.GreaterOrEqual(t, r.Queued, time.Duration(0))
	require.GreaterOrEqual(t, r.Retries(), 0)
	require.Empty(t, m.book.Wrong)
}

func TestCall_HoldsLawsUnderAnySchedule(t *testing.T) {
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
				back := max(-20e9, int64(time.Unix(1e9, 0).Sub(m.now))) // not to before the start
				m.now = m.now.Add(time.Duration(rapid.OneOf(
					rapid.Int64Range(0, 2e9), rapid.Int64Range(back, 0), rapid.Just(int64(100*365*24*time.Hour)),
				).Draw(t, "by")))
			},
			"wake": func(t *rapid.T) {
				if m.lastDue.Before(m.now) {
					t.Skip("not waiting")
				}
				m.now = m.lastDue
				m.next(t)
			},
			"switch": func(t *rapid.T) { m.off = rapid.IntRange(0, 3).Draw(t, "off") == 0 },
			"cancel": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") != 0 {
					t.Skip("not yet")
				}
				m.cancel(t)
			},
		})
		m.cancel(t)
		m.settle(t)
	})
}

func (m *callModel) cancel(t *rapid.T) {
	m.call.Cancel(m.now, rapid.SampledFrom([]call.Reason{
		call.ReasonNone, call.ReasonCanceled, call.ReasonDeadline,
	}).Draw(t, "reason"))
	m.next(t)
	require.NotNil(t, m.stop, "a call that was canceled stops")
}

// settle checks the books: every permit ended once, and handed back unsent only if no attempt
// used it.
func (m *callModel) settle(t *rapid.T) {
	m.settled(t)
	unsent, permits := 0, 0
	for _, book := range []*testkit.Ledger{m.book, m.spare} {
		if book == nil {
			continue
		}
		permits += book.Admits
		for _, e := range book.Ends {
			if e == budget.Unsent {
				unsent++
			}
		}
	}
	r := m.call.Report()
	if r.Attempts > 0 {
		permits++ // the first attempt's
	}
	require.LessOrEqual(t, r.Unprocessed, m.freed)
	require.Equal(t, permits-(r.Attempts-m.freed), unsent, "%d permits for %+v", permits, r)
}

// fakeQueue is a ledger that is asked when a retry is due.
type fakeQueue struct {
	*testkit.Ledger
	say      func() budget.Answer
	hopeless func() bool
	tickets  map[budget.Permit]bool // of calls that wait
	last     budget.Permit
}

func (q *fakeQueue) Hopeless(time.Time, budget.Evidence, budget.Permit) bool {
	return q.hopeless != nil && q.hopeless()
}

func (q *fakeQueue) Ask(
	now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit,
) (budget.Permit, budget.Answer) {
	q.Asked = append(q.Asked, testkit.Ask{Kind: k, Because: because, Held: held})
	delete(q.tickets, held)
	switch answer := q.say(); answer {
	case budget.Later:
		if q.tickets == nil {
			q.tickets, q.last = map[budget.Permit]bool{}, 1<<32
		}
		q.last++
		q.tickets[q.last] = true
		return q.last, answer
	case budget.Refused:
		return 0, answer
	}
	q.Admits++
	return q.Issue(k), budget.Granted
}

func (q *fakeQueue) End(now time.Time, p budget.Permit, e budget.Evidence) {
	if !q.tickets[p] {
		q.Ledger.End(now, p, e)
	}
	delete(q.tickets, p)
}

// rules returns rules that wait a constant time, unless r says otherwise.
func rules(r call.Rules) *call.Rules {
	if r.Backoff == nil {
		r.Backoff = backoff.Constant(time.Second)
	}
	if r.ThrottledBackoff == nil {
		r.ThrottledBackoff = backoff.Constant(10 * time.Second)
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = 3
	}
	return &r
}

var (
	transient  = call.Outcome{Class: call.Transient}
	handedBack = call.Outcome{Class: call.Unprocessed, Alive: true}
)

func TestUnprocessed_FreeTwice(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 1, Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{})
	for i := 1; i <= 3; i++ {
		s := c.Next(now)
		require.Equal(t, call.Send, s.Op, "attempt %d goes out at once", i)
		require.Equal(t, i, s.Attempt)
		c.Done(now, i, handedBack)
	}
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 3, Reason: call.ReasonMaxAttempts}, c.Next(now))
	require.Empty(t, l.Asked, "the budget was asked for a free attempt")
	l.Settled(t)
	r := c.Report()
	require.Equal(t, 2, r.Unprocessed)
	require.Equal(t, 3, r.Attempts)
	require.Zero(t, r.Retries())
}

// counting is a budget that counts successes.
type counting struct {
	*testkit.Ledger
	successes uint64
}

func (c *counting) Successes() uint64 { return c.successes }

// handBack hands a call back whenever it is sent, and calls then after each time. It returns when
// each attempt was sent, and why the call stopped.
func handBack(c *call.Call, now time.Time, then func(n int)) (sent []time.Time, stop call.Step) {
	for {
		switch step := c.Next(now); step.Op {
		case call.Send:
			sent = append(sent, now)
			c.Done(now, step.Attempt, handedBack)
			then(len(sent))
		case call.Wait:
			now = step.At
		case call.Stop:
			return sent, step
		}
	}
}

// counted starts a call at time 0 whose budget counts the successes of others.
func counted(o call.Options) (*counting, call.Call) {
	b := &counting{Ledger: testkit.NewLedger()}
	return b, rules(call.Rules{MaxAttempts: 2, Budget: b, Backoff: backoff.None()}).Start(time.Unix(0, 0), o)
}

func TestUnprocessed_FreeWhileOthersSucceed(t *testing.T) {
	start := time.Unix(0, 0)
	t.Run("with_waits_that_grow", func(t *testing.T) {
		b, c := counted(call.Options{})
		sent, stop := handBack(&c, start, func(n int) {
			if n < 15 {
				b.successes++
			}
		})
		require.Equal(t, call.ReasonMaxAttempts, stop.Reason)
		require.Len(t, sent, 17, "15 for nothing, the first one and one that is paid for")
		require.Len(t, b.Asked, 1)
		require.Equal(t, []time.Time{start, start, start}, sent[:3], "two go at once")
		for i := 3; i < 16; i++ {
			wait := sent[i].Sub(sent[i-1])
			require.GreaterOrEqual(t, wait, 10*time.Millisecond, i)
			require.LessOrEqual(t, wait, 3*time.Second, i)
		}
		require.Equal(t, 15, c.Report().Unprocessed)
		b.Settled(t)
	})
	t.Run("again_after_a_retry_that_was_paid_for", func(t *testing.T) {
		b, c := counted(call.Options{})
		sent, _ := handBack(&c, start, func(n int) {
			if n >= 3 {
				b.successes++ // too late for the third
			}
		})
		require.Greater(t, len(sent), 4)
		require.Len(t, b.Asked, 1)
		b.Settled(t)
	})
}

func TestUnprocessed_FreeWithinBounds(t *testing.T) {
	start := time.Unix(0, 0)
	t.Run("for_half_a_minute", func(t *testing.T) {
		b, c := counted(call.Options{})
		sent, stop := handBack(&c, start, func(int) { b.successes++ })
		require.Equal(t, call.ReasonMaxAttempts, stop.Reason)
		last := sent[len(sent)-1].Sub(start)
		require.Greater(t, last, 30*time.Second)
		require.Less(t, last, 33*time.Second)
		require.Less(t, len(sent), 45, "a server that refuses all but a few is not asked all the time")
		b.Settled(t)
	})
	t.Run("up_to_the_deadline", func(t *testing.T) {
		b, c := counted(call.Options{Deadline: start.Add(time.Second)})
		sent, stop := handBack(&c, start, func(int) { b.successes++ })
		require.Equal(t, call.ReasonMaxAttempts, stop.Reason, "where no wait fits, it is paid for")
		require.Less(t, sent[len(sent)-1].Sub(start), time.Second)
		b.Settled(t)
	})
	t.Run("by_the_budget_if_nothing_is_answered", func(t *testing.T) {
		r := rules(call.Rules{MaxAttempts: 3, Budget: budget.Adaptive{}.New(), Backoff: backoff.None()})
		now, sent := start, 0
		for range 100 {
			now = now.Add(10 * time.Millisecond)
			c := r.Start(now, call.Options{})
			times, stop := handBack(&c, now, func(int) {})
			sent += len(times)
			require.NotEqual(t, call.ReasonNone, stop.Reason)
		}
		require.LessOrEqual(t, sent, 3*100+2, "two of each call are for nothing")
	})
}

func TestUnprocessed_NotFreeUnlessSent(t *testing.T) {
	start := time.Unix(0, 0)
	t.Run("not_if_it_is_canceled_while_it_waits", func(t *testing.T) {
		b, c := counted(call.Options{})
		now := start
		for n := 1; ; n++ {
			step := c.Next(now)
			if step.Op == call.Wait {
				break
			}
			b.successes++
			c.Done(now, n, handedBack)
		}
		c.Cancel(now, call.ReasonCanceled)
		require.Equal(t, call.ReasonCanceled, c.Next(now).Reason)
		require.Equal(t, 3, c.Report().Attempts)
		require.Equal(t, 2, c.Report().Unprocessed, "what is not sent is not counted")
		b.Settled(t)
	})
	t.Run("comes_before_the_wait_that_is_asked_for", func(t *testing.T) {
		for _, asked := range []time.Duration{time.Millisecond, time.Second} { // nothing shorter counts
			b, c := counted(call.Options{})
			c.Next(start)
			c.Done(start, 1, call.Outcome{Class: call.Unprocessed, Alive: true, After: asked})
			at, _, step := follow(&c, start)
			require.Equal(t, call.Send, step.Op)
			require.GreaterOrEqual(t, at.Sub(start), asked)
			c.Cancel(at, call.ReasonCanceled)
			b.Settled(t)
		}
	})
	t.Run("was_not_sent", func(t *testing.T) {
		off := false
		r := rules(call.Rules{MaxAttempts: 2, Hedge: timeout.Fixed(time.Second), Off: func() bool { return off }})
		c := r.Start(start, call.Options{Hedge: true})
		c.Next(start)
		now := start.Add(time.Second)
		require.Equal(t, budget.Hedge, c.Next(now).Kind)
		c.Done(now, 1, handedBack)
		off = true
		require.Equal(t, call.Wait, c.Next(now).Op)
		off = false
		require.Equal(t, call.Wait, c.Next(now.Add(time.Hour)).Op, "two were sent")
	})
}

// A call that is handed back once more after what is for nothing says what a failure does, unless
// something was answered meanwhile.
func TestUnprocessed_EvidenceIfNothingAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answered int // attempts after which another succeeds
		want     []budget.Evidence
	}{
		"nothing is":              {0, []budget.Evidence{budget.Overloaded, budget.Overloaded}},
		"something is, meanwhile": {1, []budget.Evidence{budget.None, budget.None}},
	} {
		b, cl := counted(call.Options{})
		handBack(&cl, time.Unix(0, 0), func(n int) {
			if n == c.answered {
				b.successes++
			}
		})
		require.Equal(t, c.want, b.Ends, name)
	}
}

func TestRefusedDial_PaysBudget(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 2, Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, call.Outcome{Class: call.Unprocessed})
	require.Equal(t, call.Wait, c.Next(now).Op, "it waits like any failure")
	require.Equal(t, []testkit.Ask{{Kind: budget.Retry, Because: budget.Failed, Held: 1}}, l.Asked)
	now = now.Add(time.Second)
	require.Equal(t, call.Send, c.Next(now).Op)
	c.Done(now, 2, call.Outcome{Class: call.Unprocessed})
	require.Equal(t, call.ReasonMaxAttempts, c.Next(now).Reason)
	l.Settled(t)
}

func TestBudget_SeesEveryClass(t *testing.T) {
	for _, c := range []struct {
		o    call.Outcome
		want budget.Evidence
	}{
		{call.Outcome{}, budget.Alive},
		{call.Outcome{Class: call.Rejected, Alive: true}, budget.Alive},
		{call.Outcome{Class: call.Rejected}, budget.None},
		{call.Outcome{Class: call.Rejected, Alive: true, Forbidden: call.ReasonNoRetry}, budget.Failed},
		{transient, budget.Failed},
		{call.Outcome{Class: call.Throttled}, budget.Overloaded},
		{call.Outcome{Class: call.Timeout}, budget.Silent},
		{call.Outcome{Class: call.Unprocessed}, budget.Failed},
		{call.Outcome{Class: call.Unprocessed, Alive: true, Forbidden: call.ReasonNoRetry}, budget.None},
		{call.Outcome{Class: call.Throttled, Alive: true}, budget.Alive},
		{call.Outcome{Class: call.Transient, Evidence: budget.Lost}, budget.Lost},
		{call.Outcome{Class: call.Rejected, Alive: true, Evidence: budget.Unknown}, budget.Unknown},
		{call.Outcome{Evidence: budget.Lost}, budget.Alive},
		{call.Outcome{Class: call.Canceled, Evidence: budget.Lost}, budget.None},
		{call.Outcome{Class: call.Canceled}, budget.None},
		{call.Outcome{Class: 99}, budget.Failed},
	} {
		l := testkit.NewLedger()
		p := rules(call.Rules{MaxAttempts: 1, Budget: l})
		c2 := p.Start(time.Unix(0, 0), call.Options{})
		c2.Next(time.Unix(0, 0))
		c2.Done(time.Unix(0, 0), 1, c.o)
		require.Equal(t, []budget.Evidence{c.want}, l.Ends, "%+v", c.o)
	}
}

func TestNoRetry_EndsCall(t *testing.T) {
	for _, class := range []call.Class{call.Transient, call.Throttled, call.Rejected, call.Unprocessed} {
		p := rules(call.Rules{})
		now := time.Unix(0, 0)
		c := p.Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, call.Outcome{Class: class, Alive: true, Forbidden: call.ReasonNoRetry})
		require.Equal(t, call.Step{Op: call.Stop, Attempt: 1, Reason: call.ReasonNoRetry}, c.Next(now), class)
	}
}

func TestNoRetry_OtherAttemptMayFinish(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind)
	c.Done(now, 1, call.Outcome{Class: call.Transient, Forbidden: call.ReasonNoRetry})
	now = now.Add(time.Hour)
	require.Equal(t, call.Step{Op: call.Wait}, c.Next(now), "only the attempt under way moves it")
	c.Done(now, 2, transient)
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 2, Reason: call.ReasonNoRetry}, c.Next(now))
	l.Settled(t)
}

func TestNoRetry_WithdrawsPendingRetry(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(time.Second)
	c.Next(now)
	c.Done(now, 1, transient) // a retry is pending
	c.Done(now, 2, call.Outcome{Class: call.Transient, Forbidden: call.ReasonNoRetry})
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 2, Reason: call.ReasonNoRetry}, c.Next(now))
	require.Contains(t, l.Ends, budget.Unsent)
	l.Settled(t)
}

func TestHint_LongerHintDelaysPendingRetry(t *testing.T) {
	p := rules(call.Rules{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Rand: func() float64 { return 0 }})
	start := time.Unix(0, 0)
	now := start
	run := func(deadline time.Time, after time.Duration) call.Step {
		now = start
		c := p.Start(now, call.Options{Deadline: deadline, Hedge: true})
		c.Next(now)
		now = now.Add(time.Second)
		c.Next(now)
		c.Done(now, 1, transient) // due a second later
		c.Done(now, 2, call.Outcome{Class: call.Throttled, After: after})
		return c.Next(now)
	}
	require.Equal(t, start.Add(6*time.Second), run(time.Time{}, 5*time.Second).At)
	require.Equal(t, start.Add(2*time.Second), run(time.Time{}, 10*time.Millisecond).At, "a shorter one does not bring it forward")
	require.Equal(t, start.Add(2*time.Second), run(time.Time{}, 0).At)
	s := run(start.Add(4*time.Second), 5*time.Second)
	require.Equal(t, call.Step{Op: call.Stop, Attempt: 2, Reason: call.ReasonDeadline}, s)
}

func TestCall_ManyAttemptsInFlight(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 6, Hedge: timeout.Fixed(time.Second), Budget: l})
	for _, order := range [][]int{{1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}, {3, 1, 6, 2, 5, 4}} {
		now := time.Unix(0, 0)
		c := p.Start(now, call.Options{Hedge: true})
		for n := 1; n <= 6; n++ {
			require.Equal(t, n, c.Next(now).Attempt)
			require.Equal(t, call.Wait, c.Next(now).Op)
			now = now.Add(time.Second)
		}
		require.Equal(t, call.Step{Op: call.Wait}, c.Next(now), "all are sent")
		for i, attempt := range order {
			require.NotEqual(t, call.Stop, c.Next(now).Op)
			c.Done(now, attempt, transient)
			c.Done(now, attempt, call.Outcome{}) // twice is ignored
			if i == len(order)-1 {
				require.Equal(t, call.Step{Op: call.Stop, Attempt: attempt, Reason: call.ReasonMaxAttempts}, c.Next(now))
			}
		}
		require.Equal(t, 5, c.Report().Hedges)
	}
	l.Settled(t)
}

func TestCancel_BeforeFirstAttempt(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Deadline: now.Add(time.Second)})
	c.Cancel(now, call.ReasonNone)
	require.Equal(t, call.Step{Op: call.Stop, Reason: call.ReasonCanceled}, c.Next(now))
	c = p.Start(now, call.Options{Deadline: now.Add(time.Second)})
	c.Cancel(now.Add(time.Second), call.ReasonNone)
	require.Equal(t, call.Step{Op: call.Stop, Reason: call.ReasonDeadline}, c.Next(now))
	c.Cancel(now, call.ReasonNone)
	require.Equal(t, call.ReasonDeadline, c.Next(now).Reason, "a stop is for good")
	require.Zero(t, l.Last)
}

func TestBackoff_AnyDelayNoOverflow(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for base, attempts := range map[time.Duration]int{
		1: 1_000_000, time.Millisecond: 10_000, time.Hour: 10_000, 100 * year: 10_000,
	} {
		p := rules(call.Rules{MaxAttempts: -1, Backoff: backoff.Exponential(base, 100*year)})
		now := time.Unix(0, 0)
		c := p.Start(now, call.Options{})
		c.Next(now)
		for n := 1; n < attempts; n++ {
			c.Done(now, n, transient)
			s := c.Next(now)
			if s.Op == call.Wait {
				if !s.At.After(now) || s.At.After(now.Add(100*year)) {
					t.Fatalf("base %v, attempt %d: due %v after now", base, n, s.At.Sub(now))
				}
				now = s.At
				s = c.Next(now)
			}
			if s.Op != call.Send || s.Attempt != n+1 {
				t.Fatalf("base %v, attempt %d: %+v", base, n, s)
			}
		}
		require.Greater(t, c.Report().Waited, 100*year, base)
	}
}

func TestHint_NearMaxDuration(t *testing.T) {
	p := rules(call.Rules{MaxHint: math.MaxInt64, Rand: func() float64 { return 0.99 }})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{})
	c.Next(now)
	after := 280 * 365 * 24 * time.Hour
	c.Done(now, 1, call.Outcome{Class: call.Transient, After: after})
	s := c.Next(now)
	require.Equal(t, call.Wait, s.Op)
	require.False(t, s.At.Before(now.Add(after)), "sooner than the server asked for")
}

func TestCall_UnlimitedAttemptsFlatMemory(t *testing.T) {
	p := rules(call.Rules{MaxAttempts: -1, Backoff: backoff.None()})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{})
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

func TestBudget_AdmitGetsLatestPermit(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 4, Hedge: timeout.Fixed(time.Second), Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Hedge: true})
	require.Equal(t, call.Send, c.Next(now).Op)
	now = now.Add(time.Second)
	require.Equal(t, budget.Hedge, c.Next(now).Kind) // permit 2
	c.Done(now, 1, call.Outcome{Class: call.Transient})
	require.Equal(t, []testkit.Ask{{Kind: budget.Hedge, Because: budget.Silent, Held: 1}, {Kind: budget.Retry, Because: budget.Failed, Held: 2}}, l.Asked)
}

func TestResume_UntimedFirstAttemptIsHedged(t *testing.T) {
	p := rules(call.Rules{Hedge: timeout.Fixed(time.Second)})
	now := time.Unix(0, 0)
	c := p.Resume(now, call.First{}, call.Options{Hedge: true})
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now))
}

func TestUnprocessed_NoResendAtDeadline(t *testing.T) {
	p := rules(call.Rules{})
	start := time.Unix(0, 0)
	deadline := start.Add(time.Second)
	c := p.Start(start, call.Options{Deadline: deadline})
	c.Next(start)
	c.Done(deadline, 1, call.Outcome{Class: call.Unprocessed, Alive: true})
	s := c.Next(deadline)
	require.Equal(t, call.Stop, s.Op)
	require.Equal(t, call.ReasonDeadline, s.Reason)
}

func TestRetry_NeverEarly(t *testing.T) {
	p := rules(call.Rules{})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, transient)
	due := now.Add(time.Second)
	require.Equal(t, call.Step{Op: call.Wait, At: due}, c.Next(due.Add(-1)))
	require.Equal(t, call.Step{Op: call.Send, Kind: budget.Retry, Attempt: 2}, c.Next(due))
}

func TestHedge_RefusedHedgeAsksOncePerAttempt(t *testing.T) {
	l := testkit.NewLedger()
	l.Refuse = func(k budget.Kind) bool { return k == budget.Hedge }
	p := rules(call.Rules{Hedge: timeout.Fixed(time.Second), Backoff: backoff.None(), Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Hedge: true})
	require.Equal(t, 1, c.Next(now).Attempt)
	for range 5 {
		now = now.Add(time.Second)
		require.Equal(t, call.Step{Op: call.Wait}, c.Next(now))
	}
	require.Equal(t, 1, l.Refused)
	c.Done(now, 1, transient)
	require.Equal(t, 2, c.Next(now).Attempt)
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now))
	for range 5 {
		now = now.Add(time.Second)
		require.Equal(t, call.Step{Op: call.Wait}, c.Next(now))
	}
	require.Equal(t, 2, l.Refused, "the next attempt may be hedged again")
	l.Refuse = nil
	c.Done(now, 2, transient)
	c.Next(now)
	c.Done(now, 3, transient)
	require.Equal(t, call.ReasonMaxAttempts, c.Next(now).Reason)
	l.Settled(t)
}

func TestUnprocessed_FailureIfRetryPending(t *testing.T) {
	l := testkit.NewLedger()
	p := rules(call.Rules{MaxAttempts: 5, Hedge: timeout.Fixed(time.Second), Budget: l})
	now := time.Unix(0, 0)
	c := p.Start(now, call.Options{Hedge: true})
	c.Next(now)
	now = now.Add(time.Second)
	c.Next(now)
	c.Done(now, 1, transient) // due in a second
	c.Done(now, 2, handedBack)
	require.Equal(t, call.Step{Op: call.Wait, At: now.Add(time.Second)}, c.Next(now))
	now = now.Add(time.Second)
	require.Equal(t, 3, c.Next(now).Attempt)
	c.Done(now, 3, call.Outcome{})
	require.Equal(t, call.ReasonSuccess, c.Next(now).Reason)
	require.Zero(t, c.Report().Unprocessed)
	l.Settled(t)
}

func TestBudget_SeesReasonForRetry(t *testing.T) {
	for class, want := range map[call.Class]budget.Evidence{
		call.Transient: budget.Failed, call.Throttled: budget.Overloaded, call.Timeout: budget.Silent,
		call.Unprocessed: budget.Failed,
	} {
		l := testkit.NewLedger()
		p := rules(call.Rules{Budget: l})
		now := time.Unix(0, 0)
		c := p.Start(now, call.Options{})
		c.Next(now)
		c.Done(now, 1, call.Outcome{Class: class})
		require.Equal(t, []testkit.Ask{{Kind: budget.Retry, Because: want, Held: 1}}, l.Asked, class)
		c.Cancel(now, call.ReasonNone)
		require.Equal(t, []budget.Evidence{want, budget.Unsent}, l.Ends)
	}
}
