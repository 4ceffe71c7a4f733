package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Clients compare errors, and the beginnings of their texts: net/http gives them nothing better.
func TestOwnError_ReturnedIfNothingAdded(t *testing.T) {
	base := tripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
	for name, cfg := range map[string]retry.Config{
		"plain": {}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)}, "hedged": {Hedge: timeout.Fixed(time.Hour)},
	} {
		var seen reportsOf
		tr := httpx.NewTransport(base, retry.Must(retry.New(cfg, retry.WithObserver(&seen))))
		_, err := tr.RoundTrip(request(t, http.MethodPost, "http://h/", strings.NewReader("x")))
		require.Equal(t, io.EOF, err, name)
		require.Equal(t, retry.ReasonNotIdempotent, seen[0].Reason, name)
	}
}

func TestOwnError_AttemptTimeoutIsNotCancellation(t *testing.T) {
	for name, of := range map[string]func(context.Context) error{
		"HTTP/1": context.Cause, "HTTP/2": context.Context.Err,
		"wrapped": func(ctx context.Context) error { return fmt.Errorf("proxy: %w", ctx.Err()) },
	} {
		for _, attempts := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					base := tripper(func(r *http.Request) (*http.Response, error) {
						<-r.Context().Done()
						return nil, of(r.Context())
					})
					p := policy(t, func(c *retry.Config) {
						c.MaxAttempts, c.AttemptTimeout = attempts, timeout.Fixed(50*time.Millisecond)
					})
					_, err := (&http.Client{Transport: httpx.NewTransport(base, p)}).Get("http://h/")
					require.NotErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, timeout.ErrAttempt)
					timedOut, ok := errors.AsType[interface {
						error
						Timeout() bool
					}](err)
					require.True(t, ok && timedOut.Timeout())
					require.ErrorContains(t, err, " (evenkeel: attempt timeout of 50ms")
				})
			})
		}
	}
}

// The error is the one that http.Transport returns then: callers compare it with context.Canceled.
func TestOwnError_EndedContextNeverReachesBase(t *testing.T) {
	shutdown := errors.New("shutdown")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	caused, because := context.WithCancelCause(t.Context())
	because(shutdown)
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for name, cfg := range map[string]retry.Config{
		"plain": {}, "one attempt": {MaxAttempts: 1}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)},
		"hedged": {Hedge: timeout.Fixed(time.Hour)},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for ctx, want := range map[context.Context]error{
				canceled: context.Canceled, caused: shutdown, late: context.DeadlineExceeded,
			} {
				body := &closeCounter{Reader: strings.NewReader("x")}
				req := request(t, method, "http://h/", nil).WithContext(ctx)
				req.Body = body
				base := tripper(func(*http.Request) (*http.Response, error) { panic("sent") })
				var seen reportsOf
				_, err := httpx.NewTransport(base, retry.Must(retry.New(cfg, retry.WithObserver(&seen)))).RoundTrip(req)
				require.ErrorIs(t, err, want, name)
				if ctx != caused {
					require.Equal(t, want, err, name)
				} else if cfg.MaxAttempts != 1 { // net/http would return the cause alone
					require.ErrorIs(t, err, context.Canceled, name)
				}
				require.EqualValues(t, 1, body.closed.Load(), name)
				require.Len(t, seen, 1)
				require.Zero(t, seen[0].Attempts)
			}
		}
	}
}

// closeCounter is a body that counts how often it is closed.
type closeCounter struct {
	io.Reader
	closed atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closed.Add(1)
	return nil
}

func TestOwnError_ClassifierPanicLeavesNoResponse(t *testing.T) {
	for name, cfg := range map[string]retry.Config{
		"plain": {}, "one attempt": {MaxAttempts: 1}, "timed": {AttemptTimeout: timeout.Fixed(time.Hour)},
		"hedged": {Hedge: timeout.Fixed(time.Hour)},
	} {
		for way, leave := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
			body := &closeCounter{Reader: strings.NewReader("x")}
			base := tripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: body, Request: r}, nil
			})
			tr := httpx.NewTransport(base, retry.Must(retry.New(cfg)),
				httpx.WithClassifier(func(*http.Request, *http.Response, error) retry.Outcome {
					leave()
					return retry.Outcome{}
				}))
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				_, _ = tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
			}()
			<-done
			require.Positive(t, body.closed.Load(), "%s, %s", name, way)
		}
	}
}

// broken is an observer and a budget that leaves at one place.
type broken struct {
	budget.Budget
	at    string
	leave func()
}

func (b broken) Begin(now time.Time) budget.Permit {
	if b.at == "budget" {
		b.leave()
	}
	return b.Budget.Begin(now)
}

func (b broken) AttemptDone(context.Context, retry.Attempt) {
	if b.at == "observer" {
		b.leave()
	}
}
func (broken) CallDone(context.Context, retry.Report) {}

func TestOwnError_PanicClosesRequestBody(t *testing.T) {
	for _, at := range []string{"budget", "observer", "classifier", "renewal"} {
		for way, leave := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
			for _, copies := range []bool{false, true} {
				b := broken{budget.Unlimited{}.New(), at, leave}
				tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
					return reply(401, http.NoBody), readAll(r)
				}), policy(t, func(c *retry.Config) { c.Budget = budget.Shared(b) }, retry.WithObserver(b)),
					httpx.WithBodyBuffer(10),
					httpx.WithReauth(func(context.Context, *http.Response) error { leave(); return nil }),
					httpx.WithClassifier(func(q *http.Request, r *http.Response, err error) retry.Outcome {
						if at == "classifier" {
							leave()
						}
						return httpx.Classify(q, r, err)
					}))
				var closed atomic.Int32
				req := request(t, http.MethodPut, "http://h/", nil)
				req.Body = closer{strings.NewReader("abc"), &closed}
				if copies {
					req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_, _ = tr.RoundTrip(req)
				}()
				<-done
				require.EqualValues(t, 1, closed.Load(), "%s, %s, GetBody: %t", at, way, copies)
			}
		}
	}
}
