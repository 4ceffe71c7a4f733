package httpx_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func ExampleNewTransport() {
	server := httptest.NewServer(fault.Handler(http.HandlerFunc(hello), fault.Script(
		fault.Fault{Status: http.StatusInternalServerError},
		fault.Fault{Status: http.StatusBadGateway},
	)))
	defer server.Close()

	client := http.Client{Transport: httpx.NewTransport(nil, retry.Must(retry.New(retry.Config{
		Backoff:        backoff.FullJitter(time.Millisecond, time.Second),
		AttemptTimeout: timeout.Fixed(2 * time.Second),
	})))}
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body))
	// Output: 200 hello
}

func ExampleReportFrom() {
	busy := fault.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"120"}}}
	client := http.Client{Transport: httpx.NewTransport(fault.Transport(nil, fault.Script(busy)), nil)}
	resp, err := client.Get("http://payments.internal/balance")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok {
		fmt.Println(stopped.Reason, "after", stopped.Attempts)
	}
	// Output:
	// 503
	// hint_too_long after 1
}

func ExampleWithIdempotencyKey() {
	keys := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys[r.Header.Get("Idempotency-Key")]++
		if keys[r.Header.Get("Idempotency-Key")] < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()

	policy := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Millisecond)}))
	client := http.Client{Transport: httpx.NewTransport(nil, policy, httpx.WithIdempotencyKey())}
	defer client.CloseIdleConnections()
	resp, err := client.Post(server.URL, "text/plain", strings.NewReader("pay 5"))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	for _, n := range keys {
		fmt.Println(resp.StatusCode, "one key,", n, "attempts")
	}
	// Output: 200 one key, 3 attempts
}

func ExampleWithPolicyFunc() {
	var current atomic.Pointer[retry.Policy] // swapped by whoever watches the configuration
	current.Store(retry.Must(retry.New(retry.Config{MaxAttempts: 2})))
	reports := retry.Must(retry.New(retry.Config{AttemptTimeout: timeout.Fixed(time.Minute)}))

	transport := httpx.NewTransport(nil, nil, httpx.WithPolicyFunc(func(r *http.Request) *retry.Policy {
		if strings.HasPrefix(r.URL.Path, "/reports/") {
			return reports
		}
		return current.Load()
	}))
	_ = http.Client{Transport: transport}
}

func ExampleHandler() {
	var all, resent atomic.Int64
	server := httptest.NewServer(httpx.Handler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, timed := r.Context().Deadline()
			fmt.Println("attempt", httpx.Attempt(r.Context()), "with a deadline:", timed)
			if httpx.Attempt(r.Context()) == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}),
		httpx.WithMaxTimeout(time.Minute),
		httpx.OnAttempt(func(_ *http.Request, attempt int) {
			all.Add(1)
			if attempt > 1 {
				resent.Add(1)
			}
		}),
	))
	defer server.Close()

	policy := retry.Must(retry.New(retry.Config{Backoff: backoff.Constant(time.Millisecond)}))
	client := http.Client{Transport: httpx.NewTransport(nil, policy)}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, "and", resent.Load(), "of", all.Load(), "were retries")
	// Output:
	// attempt 1 with a deadline: true
	// attempt 2 with a deadline: true
	// 200 and 1 of 2 were retries
}
