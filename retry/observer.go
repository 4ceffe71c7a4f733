package retry

import (
	"context"
	"log/slog"

	"github.com/evenkeel-go/evenkeel/call"
)

// Observer receives the events of calls. Its methods are called on the goroutines of the calls,
// hedges included, so they must be safe for concurrent use, and quick. ctx is the call's.
type Observer interface {
	// AttemptDone is called once for each attempt that was sent, when it has ended.
	AttemptDone(ctx context.Context, a Attempt)
	// CallDone is called once for each call, after its last AttemptDone.
	CallDone(ctx context.Context, r Report)
}

// Attempt is one attempt that has ended; see [call.Attempt].
type Attempt = call.Attempt

// Report describes a call that has stopped; see [call.Report].
type Report = call.Report

// observers calls each in turn.
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

// LogObserver writes a record for each call that stopped without success, at the given level. If
// a second level is given it also writes one at that for each attempt, except a first one that
// succeeded: "attempt 2 of 3 failed (HTTP 503), retrying in 120ms". Records have the destination,
// the status or class, the reason and the counts, and neither errors nor anything of a request:
// those may hold secrets.
func LogObserver(l *slog.Logger, level slog.Level, attempts ...slog.Level) Observer {
	switch {
	case l == nil:
		panic("retry: LogObserver: nil logger")
	case len(attempts) > 1:
		panic("retry: LogObserver: more than one level for attempts")
	}
	return logObserver{l, level, attempts}
}

type logObserver struct {
	log      *slog.Logger
	level    slog.Level
	attempts []slog.Level // at most one
}

func (o logObserver) AttemptDone(ctx context.Context, a Attempt) {
	if len(o.attempts) == 0 || a.Number == 1 && a.Outcome.Class == Success || !o.log.Enabled(ctx, o.attempts[0]) {
		return
	}
	o.log.LogAttrs(
		ctx, o.attempts[0], a.String(),
		slog.String("destination", a.Destination), slog.Int("attempt", a.Number), slog.String("kind", a.Kind.String()),
		slog.String("class", a.Outcome.Class.String()), slog.String("status", a.Status), slog.Duration("took", a.Took),
	)
}

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
