package httpx_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func BenchmarkHTTP(b *testing.B) {
	ok := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
	busy := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody}
	fine := roundTripFunc(func(*http.Request) (*http.Response, error) { return ok, nil })
	flaky := func() http.RoundTripper {
		n := 0
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Body != nil {
				_, _ = io.Copy(io.Discard, req.Body)
				req.Body.Close()
			}
			if n++; n%2 == 1 {
				return busy, nil
			}
			return ok, nil
		})
	}
	get, _ := http.NewRequest(http.MethodGet, "http://payments.internal/balance", nil)
	post, _ := http.NewRequest(http.MethodPost, "http://payments.internal/", bytes.NewReader(make([]byte, 1<<20)))
	small, _ := http.NewRequest(http.MethodPost, "http://payments.internal/", bytes.NewReader(make([]byte, 1<<10)))
	small.Header.Set("Idempotency-Key", "k")
	run := func(rt http.RoundTripper, req *http.Request) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := rt.RoundTrip(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp, err)
				}
			}
		}
	}
	now := retry.Must(retry.New(retry.Config{
		Backoff: backoff.Constant(0), ThrottledBackoff: backoff.Constant(0), Budget: budget.Unlimited{},
	}))
	hedged := retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(time.Minute)}))
	b.Run("ok/bare-get", run(fine, get))
	b.Run("ok/get", run(httpx.NewTransport(fine, nil), get))
	b.Run("ok/bare-post", run(fine, post))
	b.Run("ok/post", run(httpx.NewTransport(fine, nil), post))
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.Run("ok/deadline", run(httpx.NewTransport(fine, nil), get.WithContext(ctx)))
	b.Run("one-fail/get", run(httpx.NewTransport(flaky(), now), get))
	b.Run("one-fail/post", run(httpx.NewTransport(flaky(), now), small))
	b.Run("hedge", run(httpx.NewTransport(fine, hedged), get))
}
