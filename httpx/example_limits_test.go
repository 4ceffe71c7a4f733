package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Each attempt is signed by itself, so that a retry has a date of its own.
func ExampleWithBeforeAttempt() {
	sign := func(req *http.Request, previous *retry.Failure) error {
		req.Header.Set("Authorization", "Signature keyId=me")
		if previous != nil {
			fmt.Println("again after", previous)
		}
		return nil
	}
	faults := fault.Transport(nil, fault.Script(fault.Fault{Status: 503}, fault.Fault{Status: 204}))
	client := &http.Client{Transport: httpx.NewTransport(faults, eager, httpx.WithBeforeAttempt(sign))}
	resp, err := client.Get("http://orders.internal/7")
	fmt.Println(resp.StatusCode, httpx.AttemptsFrom(resp), err)
	// Output:
	// again after attempt 1: HTTP 503 (throttled)
	// 204 2 <nil>
}

// A token that has expired is renewed once for all calls that need it.
func ExampleWithReauth() {
	var token atomic.Value
	token.Store("old")
	use := func(req *http.Request, _ *retry.Failure) error {
		req.Header.Set("Authorization", "Bearer "+token.Load().(string))
		return nil
	}
	renew := func(context.Context, *http.Response) error { // asks the token server, with a client of its own
		token.Store("new")
		return nil
	}
	faults := fault.Transport(nil, fault.Script(fault.Fault{Status: 401}, fault.Fault{Status: 204}))
	client := &http.Client{Transport: httpx.NewTransport(
		faults, eager, httpx.WithBeforeAttempt(use), httpx.WithReauth(renew),
	)}
	resp, err := client.Post("http://orders.internal/", "text/plain", strings.NewReader("one of each"))
	fmt.Println(resp.StatusCode, token.Load(), err)
	// Output: 204 new <nil>
}

// A search is a POST that may be repeated.
func ExampleWithIdempotentPaths() {
	faults := fault.Transport(nil, fault.Script(fault.Fault{Status: 500}, fault.Fault{Status: 204}))
	client := &http.Client{Transport: httpx.NewTransport(
		faults, eager, httpx.WithIdempotentPaths("POST /search", "POST /{index}/search"),
	)}
	resp, err := client.Post("http://shop.internal/shoes/search", "text/plain", strings.NewReader("red"))
	fmt.Println(resp.StatusCode, err)
	// Output: 204 <nil>
}

// One tenant's limit holds up that tenant's other calls, and nobody else's.
func ExampleWithHintKey() {
	policy := retry.Must(retry.New(retry.Config{HintScope: "destination", MaxHint: time.Minute}))
	tenant := func(req *http.Request) string { return req.Header.Get("X-Tenant") }
	limited := fault.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}
	faults := fault.Transport(nil, func(req *http.Request) fault.Fault {
		if tenant(req) == "a" {
			return limited
		}
		return fault.Fault{Status: 204}
	})
	client := &http.Client{Transport: httpx.NewTransport(faults, policy, httpx.WithHintKey(tenant)), Timeout: time.Second}
	for _, name := range []string{"a", "a", "b"} {
		req, _ := http.NewRequest(http.MethodGet, "http://api.internal/", nil)
		req.Header.Set("X-Tenant", name)
		resp, err := client.Do(req)
		var stopped *retry.Error
		if errors.As(err, &stopped) {
			fmt.Println(name, stopped.Reason, stopped.Attempts)
			continue
		}
		fmt.Println(name, resp.StatusCode)
	}
	// Output:
	// a 429
	// a paused 0
	// b 204
}
