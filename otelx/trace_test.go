package otelx_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/otelx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// took returns an operation that fails after so long, each time.
func took(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return errDown
	}
}

func TestTrace_WaitsAndStopAreTimedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer()
		p := policy(t, retry.Config{}, observer(t, otelx.WithTracerProvider(tr)))
		span := tr.during(func(ctx context.Context) { require.Error(t, retry.Do(ctx, p, took(10*time.Second))) })
		require.Equal(t, []event{
			{"evenkeel.wait", 10 * time.Second, map[attribute.Key]any{
				"evenkeel.attempt.number": int64(2), "evenkeel.wait.duration": 1.0,
			}},
			{"evenkeel.wait", 21 * time.Second, map[attribute.Key]any{
				"evenkeel.attempt.number": int64(3), "evenkeel.wait.duration": 1.0,
			}},
			{"evenkeel.stop", 32 * time.Second, map[attribute.Key]any{
				"evenkeel.stop.reason": "max_attempts", "evenkeel.call.attempts": int64(3), "evenkeel.call.hedges": int64(0),
			}},
		}, events(span))
		require.Equal(t, codes.Unset, span.Status().Code, "the caller's span is the caller's")
	})
}

func TestTrace_HedgeIsEventWhenSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer()
		p := policy(t, retry.Config{Hedge: timeout.Fixed(2 * time.Second)}, observer(t, otelx.WithTracerProvider(tr)))
		var calls atomic.Int32
		span := tr.during(func(ctx context.Context) {
			_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) {
				if calls.Add(1) == 1 {
					<-ctx.Done()
					return 0, ctx.Err()
				}
				time.Sleep(time.Second)
				return 1, nil
			})
			require.NoError(t, err)
		})
		require.Equal(t, []event{
			{"evenkeel.hedge", 2 * time.Second, map[attribute.Key]any{
				"evenkeel.attempt.number": int64(2), "evenkeel.attempt.class": "success",
			}},
			{"evenkeel.stop", 3 * time.Second, map[attribute.Key]any{
				"evenkeel.stop.reason": "success", "evenkeel.call.attempts": int64(2), "evenkeel.call.hedges": int64(1),
			}},
		}, events(span))
	})
}

func TestTrace_PlainSuccessAddsNothing(t *testing.T) {
	tr := newTracer()
	p := policy(t, retry.Config{}, observer(t, otelx.WithTracerProvider(tr)))
	span := tr.during(func(ctx context.Context) { require.NoError(t, retry.Do(ctx, p, failing(0))) })
	require.Empty(t, span.Events())
	require.Len(t, tr.recorder.Ended(), 1)
}

func TestTrace_UnrecordedSpanGetsNoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tracetest.NewSpanRecorder()
		tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r), sdktrace.WithSampler(sdktrace.NeverSample()))
		p := policy(t, retry.Config{}, observer(t, otelx.WithTracerProvider(tp), otelx.WithAttemptSpans()))
		ctx, span := tp.Tracer("test").Start(t.Context(), "caller")
		require.NoError(t, retry.Do(ctx, p, failing(1)))
		span.End()
		require.NoError(t, retry.Do(t.Context(), p, failing(1))) // nor does a call without a span
		require.Empty(t, r.Ended())
	})
}

func TestAttemptSpans_HaveAttemptTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer()
		p := policy(t, retry.Config{}, observer(t, otelx.WithTracerProvider(tr), otelx.WithAttemptSpans()))
		n := 0
		parent := tr.during(func(ctx context.Context) {
			require.NoError(t, retry.Do(ctx, p.For("db"), func(context.Context) error {
				time.Sleep(3 * time.Second)
				if n++; n == 1 {
					return errDown
				}
				return nil
			}))
		})
		spans := tr.recorder.Ended()[:2]
		for i, want := range []struct {
			begin      time.Duration
			kind       string
			class      string
			statusCode codes.Code
		}{
			{0, "first", "transient", codes.Error},
			{4 * time.Second, "retry", "success", codes.Unset},
		} {
			s := spans[i]
			require.Equal(t, "evenkeel.attempt", s.Name())
			require.Equal(t, parent.SpanContext().SpanID(), s.Parent().SpanID())
			require.Equal(t, trace.SpanKindInternal, s.SpanKind())
			require.Equal(t, want.begin, s.StartTime().Sub(parent.StartTime()))
			require.Equal(t, 3*time.Second, s.EndTime().Sub(s.StartTime()))
			require.Equal(t, want.statusCode, s.Status().Code)
			require.Equal(t, map[attribute.Key]any{
				"evenkeel.attempt.number": int64(i + 1), "evenkeel.attempt.kind": want.kind,
				"evenkeel.attempt.class": want.class, "evenkeel.destination": "db",
			}, values(s.Attributes()))
		}
	})
}

func TestAttemptSpans_EndWithAttempt(t *testing.T) {
	tr := newTracer()
	o := observer(t, otelx.WithTracerProvider(tr), otelx.WithAttemptSpans())
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // and told of long after
	o.AttemptDone(t.Context(), retry.Attempt{Number: 1, Sent: sent, Took: time.Second})
	require.Equal(t, sent, tr.recorder.Ended()[0].StartTime())
	require.Equal(t, sent.Add(time.Second), tr.recorder.Ended()[0].EndTime())
}

// below is a base RoundTripper with a span of its own, as otelhttp is, that fails.
type below func(ctx context.Context)

func (f below) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r.Context())
	return nil, errDown
}

// get makes a request through a transport with the default policy.
func get(ctx context.Context, base http.RoundTripper) {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://resend.test/", nil)
	_, _ = httpx.NewTransport(base, retry.Must(retry.New(retry.Config{Budget: budget.Unlimited{}}))).RoundTrip(req)
}

func TestResendCount_CountsFromFirstResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer()
		var counts []int64
		get(t.Context(), below(func(ctx context.Context) {
			ctx, span := tr.Tracer("http").Start(ctx, "GET")
			require.NotNil(t, otelx.ClientTrace(ctx))
			span.End()
			if count, ok := otelx.ResendCount(ctx); ok {
				require.Equal(t, semconv.HTTPRequestResendCountKey, count.Key)
				counts = append(counts, count.Value.AsInt64())
			}
		}))
		require.Equal(t, []int64{1, 2}, counts)

		spans := tr.recorder.Ended()
		require.Len(t, spans, 3)
		require.Empty(t, spans[0].Attributes())
		require.Equal(t, map[attribute.Key]any{"http.request.resend_count": int64(1)}, values(spans[1].Attributes()))
		require.Equal(t, map[attribute.Key]any{"http.request.resend_count": int64(2)}, values(spans[2].Attributes()))
	})
}

// Another attempt of an operation is no resend of the requests that it makes, nor is a resend one
// of the requests that are made for it.
func TestResendCount_IsPerRequest(t *testing.T) {
	var counts []int64
	see := below(func(ctx context.Context) {
		count, _ := otelx.ResendCount(ctx)
		counts = append(counts, count.Value.AsInt64())
	})
	for name, around := range map[string]func(ctx context.Context, request func(context.Context)){
		"an operation": func(ctx context.Context, request func(context.Context)) {
			n := 0
			require.NoError(t, retry.Do(ctx, policy(t, retry.Config{}, observer(t)), func(ctx context.Context) error {
				_, ok := otelx.ResendCount(ctx)
				require.False(t, ok)
				if n++; n < 3 {
					return errDown
				}
				request(ctx)
				return nil
			}))
		},
		"a resend": func(ctx context.Context, request func(context.Context)) {
			get(ctx, below(func(ctx context.Context) {
				if retry.AttemptNumber(ctx) == 3 {
					request(ctx)
				}
			}))
		},
		"an operation in a resend": func(ctx context.Context, request func(context.Context)) {
			get(ctx, below(func(ctx context.Context) {
				if retry.AttemptNumber(ctx) == 3 {
					_ = retry.Do(ctx, policy(t, retry.Config{}, observer(t)), func(ctx context.Context) error {
						request(ctx)
						return nil
					})
				}
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counts = nil
				around(t.Context(), func(ctx context.Context) { get(ctx, see) })
				require.Equal(t, []int64{0, 1, 2}, counts)
			})
		})
	}
}

func TestClientTrace_OnePerAttempt(t *testing.T) {
	require.NotSame(t, otelx.ClientTrace(t.Context()), otelx.ClientTrace(t.Context()),
		"httptrace.WithClientTrace writes to what it is given")
}

func TestTrace_AttemptSpanHasStatus(t *testing.T) {
	tr := newTracer()
	o := observer(t, otelx.WithTracerProvider(tr), otelx.WithAttemptSpans())
	for _, status := range []string{"HTTP 503", ""} {
		o.AttemptDone(t.Context(), retry.Attempt{Number: 1, Status: status, Outcome: retry.Outcome{Class: retry.Transient}})
	}
	ended := tr.recorder.Ended()
	require.Equal(t, "HTTP 503", values(ended[0].Attributes())["evenkeel.attempt.status"])
	require.NotContains(t, values(ended[1].Attributes()), attribute.Key("evenkeel.attempt.status"), "nothing was answered")
}
