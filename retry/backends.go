package retry

import (
	"context"
	"log/slog"

	"github.com/evenkeel-go/evenkeel/outlier"
)

// BackendChanged passes the event to those observers that are an [outlier.Observer].
func (os observers) BackendChanged(ctx context.Context, e outlier.Event) {
	for _, o := range os {
		if b, ok := o.(outlier.Observer); ok {
			b.BackendChanged(ctx, e)
		}
	}
}

// BackendChanged writes one record for each backend that is set aside or taken back.
func (o logObserver) BackendChanged(ctx context.Context, e outlier.Event) {
	if !o.log.Enabled(ctx, o.level) {
		return
	}
	o.log.LogAttrs(
		ctx, o.level, "backend "+e.Change.String(),
		slog.String("destination", e.Destination), slog.String("backend", e.Backend),
		slog.String("cause", e.Cause.String()), slog.Duration("for", e.For),
	)
}
