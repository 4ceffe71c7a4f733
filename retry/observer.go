package retry

import (
	"context"
	"log/slog"

	"github.com/evenkeel-go/evenkeel/call"
)

// Observer is told of what calls do. Its methods are called on the goroutines of the calls,
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

// LogObserver writes one record for each call that stopped without success, at the given level,
// and nothing else. It logs the destination, the reason and the counts, and neither errors nor
// anything of a request: those may hold secrets.
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
