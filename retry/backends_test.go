package retry_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestLogObserver_WritesBackendEvents(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	e := outlier.Event{
		Destination: "orders", Backend: "a:80", Change: outlier.SetAside, Cause: outlier.Latency, For: time.Second,
	}
	o, ok := retry.LogObserver(log, slog.LevelInfo).(outlier.Observer)
	require.True(t, ok)
	o.BackendChanged(context.Background(), e)
	assert.Equal(t,
		"level=INFO msg=\"backend set_aside\" destination=orders backend=a:80 cause=latency for=1s\n", out.String())

	quiet, ok := retry.LogObserver(log, slog.LevelDebug).(outlier.Observer)
	require.True(t, ok)
	quiet.BackendChanged(context.Background(), e)
	assert.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")))
}

// backendEvents is an observer that keeps the events of backends.
type backendEvents struct {
	testkit.Watcher
	got []outlier.Event
}

func (b *backendEvents) BackendChanged(_ context.Context, e outlier.Event) { b.got = append(b.got, e) }

func TestObservers_BackendEventsOnlyIfImplemented(t *testing.T) {
	first, second := new(backendEvents), new(backendEvents)
	p := retry.Must(retry.New(retry.Config{},
		retry.WithObserver(first), retry.WithObserver(new(testkit.Watcher)), retry.WithObserver(second)))
	o, ok := drive.Of(p).Observer.(outlier.Observer)
	require.True(t, ok)
	e := outlier.Event{Destination: "orders", Backend: "a:80", Change: outlier.TakenBack}
	o.BackendChanged(t.Context(), e)
	assert.Equal(t, []outlier.Event{e}, first.got)
	assert.Equal(t, []outlier.Event{e}, second.got)
}
