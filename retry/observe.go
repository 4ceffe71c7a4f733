package retry

import (
	"context"
	"log/slog"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Observer is told of what calls do. Its methods are called on the goroutines of the calls, hedges included, so they
// must be safe for concurrent use, and quick. ctx is the call's.
type Observer interface {
	// AttemptDone is called once for each attempt that was sent, when it has ended.
	AttemptDone(ctx context.Context, a Attempt)
	// CallDone is called once for each call, after its last AttemptDone.
	CallDone(ctx context.Context, r Report)
}

// Attempt is one attempt that has ended.
type Attempt struct {
	Destination string        // of the policy; empty unless it came from For
	Number      int           // from 1
	Kind        budget.Kind   // First, Retry or Hedge
	Sent        time.Time     // when; zero for a first attempt that nobody timed
	Took        time.Duration // until its end; 0 where Sent is zero
	Waited      time.Duration // how long the call waited for it with no other attempt under way
	Outcome     Outcome
	Err         error // what the attempt returned, nil for a response
}

// Report is what became of a call.
type Report struct {
	Destination string
	Reason      Reason
	Attempts    int           // sent
	Hedges      int           // of these, sent because another was slow
	Unprocessed int           // of these, sent for nothing after a live connection handed one back
	Answer      int           // the attempt whose answer is the call's; 0 if none was sent
	Hedged      bool          // that attempt was a hedge
	Waited      time.Duration // with no attempt under way
	Err         error         // the last attempt's error, nil for a response
	Budget      budget.Budget // the destination's, for an observer of its level (budget.Leveler)
}

// Retries is how many attempts were sent because another had failed.
func (r Report) Retries() int { return max(0, r.Attempts-1-r.Hedges-r.Unprocessed) }

// Report is what the call has come to so far.
func (c *Call) Report() Report {
	return Report{
		Destination: c.p.destination, Reason: c.reason, Attempts: c.sent, Hedges: c.hedges,
		Unprocessed: c.free, Answer: c.answer, Waited: c.waited, Budget: c.p.budget,
	}
}

// observers tells each in turn.
type observers []Observer

func (os observers) AttemptDone(ctx context.Context, a Attempt) {
	for _, o := range os {
		o.AttemptDone(ctx, a)
	}
}

func (os observers) CallDone(ctx context.Context, r Report) {
	for _, o := range os {
		o.CallDone(ctx, r)
	}
}

// LogObserver writes one record for each call that stopped without success, at the given level, and nothing else. It
// logs the destination, the reason and the counts, and neither errors nor anything of a request: those may hold secrets.
func LogObserver(l *slog.Logger, level slog.Level) Observer {
	if l == nil {
		panic("retry: LogObserver: nil logger")
	}
	return logObserver{l, level}
}

type logObserver struct {
	log   *slog.Logger
	level slog.Level
}

func (logObserver) AttemptDone(context.Context, Attempt) {}

func (o logObserver) CallDone(ctx context.Context, r Report) {
	if r.Reason == ReasonSuccess || !o.log.Enabled(ctx, o.level) {
		return
	}
	o.log.LogAttrs(
		ctx, o.level, "call stopped",
		slog.String("destination", r.Destination), slog.String("reason", r.Reason.String()),
		slog.Int("attempts", r.Attempts), slog.Int("hedges", r.Hedges), slog.Duration("waited", r.Waited),
	)
}
