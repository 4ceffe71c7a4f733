package httpx_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
)

// eager keeps the examples from waiting: real policies have jitter.
var eager = retry.Must(retry.New(retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None()}))

// flaky500 starts a server that answers 500 to its first request and then echoes what it is sent.
func flaky500() *httptest.Server {
	return httptest.NewServer(fault.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), fault.Script(fault.Fault{Status: http.StatusInternalServerError})))
}

// status makes a request and prints what it came to.
func status(client *http.Client, req *http.Request) {
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Printf("%d %q\n", resp.StatusCode, body)
}

func ExampleClassify() {
	for _, code := range []int{200, 404, 500, 501, 503} {
		o := httpx.Classify(nil, &http.Response{StatusCode: code, Header: http.Header{}}, nil)
		fmt.Println(code, o.Class)
	}
	o := httpx.Classify(nil, &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"2"}}}, nil)
	fmt.Println("after", o.After)
	// Output:
	// 200 success
	// 404 rejected
	// 500 transient
	// 501 rejected
	// 503 throttled
	// after 2s
}

// This API says 409 while it is busy with the same key, and 500 when something is wrong for good.
func ExampleWithClassifier() {
	classify := func(req *http.Request, resp *http.Response, err error) retry.Outcome {
		switch {
		case resp != nil && resp.StatusCode == http.StatusConflict:
			return retry.Outcome{Class: retry.Transient}
		case resp != nil && resp.StatusCode == http.StatusInternalServerError:
			return retry.Outcome{Class: retry.Rejected}
		}
		return httpx.Classify(req, resp, err)
	}
	faults := fault.Transport(nil, fault.Script(fault.Fault{Status: 409}, fault.Fault{Status: 500, Body: "broken"}))
	client := &http.Client{Transport: httpx.NewTransport(faults, eager, httpx.WithClassifier(classify))}
	req, _ := http.NewRequest(http.MethodGet, "http://orders.internal/7", nil)
	status(client, req)
	// Output: 500 "broken"
}

// GitHub's secondary limits are a 403 like any other, but for their text.
func ExampleWithBodyPeek() {
	classify := func(req *http.Request, resp *http.Response, err error) retry.Outcome {
		if err == nil && resp.StatusCode == http.StatusForbidden &&
			strings.Contains(string(httpx.PeekBody(resp)), "secondary rate limit") {
			return retry.Outcome{Class: retry.Throttled} // or After: time.Minute, as they ask for
		}
		return httpx.Classify(req, resp, err)
	}
	faults := fault.Transport(nil, fault.Script(
		fault.Fault{Status: 403, Body: "You have exceeded a secondary rate limit."},
		fault.Fault{Status: 403, Body: "Resource not accessible"},
	))
	client := &http.Client{Transport: httpx.NewTransport(faults, eager,
		httpx.WithClassifier(classify), httpx.WithBodyPeek(http.StatusForbidden))}
	req, _ := http.NewRequest(http.MethodGet, "http://api.internal/repos", nil)
	status(client, req)
	// Output: 403 "Resource not accessible"
}

// The answers of this API come in parts, and a failure is written last.
func ExampleWithPeekLimits() {
	httpx.NewTransport(nil, nil, httpx.WithBodyPeek(http.StatusOK), httpx.WithPeekLimits(4<<10, time.Second))
	// Output:
}

// This API says in a header of its own how many minutes to wait.
func ExampleWithHintHeader() {
	patient := retry.Must(retry.New(retry.Config{MaxHint: time.Minute}))
	base := fault.Transport(nil, func(*http.Request) fault.Fault {
		return fault.Fault{Status: 503, Header: http.Header{"X-Wait-Minutes": {"5"}}}
	})
	client := &http.Client{Transport: httpx.NewTransport(base, patient, httpx.WithHintHeader("X-Wait-Minutes", time.Minute))}
	resp, err := client.Get("http://api.internal/")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	stopped, _ := httpx.ReportFrom(resp.Request.Context())
	fmt.Println(stopped.Reason)
	// Output: hint_too_long
}

// The parts of one host that fail apart have budgets apart.
func ExampleWithDestination() {
	byPart := func(r *http.Request) string {
		part, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // few of them: no ids
		return r.URL.Host + "/" + part
	}
	down := fault.Transport(nil, func(*http.Request) fault.Fault { return fault.Fault{Refuse: true} })
	client := &http.Client{Transport: httpx.NewTransport(down, eager, httpx.WithDestination(byPart))}
	_, err := client.Get("http://api.internal/search/shoes")
	var stopped *retry.Error
	fmt.Println(errors.As(err, &stopped), stopped.Destination, stopped.Attempts)
	// Output: true api.internal/search 3
}

// A body that cannot be rewound is remembered up to a limit, so that it can be sent again.
func ExampleWithBodyBuffer() {
	server := flaky500()
	defer server.Close()
	client := &http.Client{Transport: httpx.NewTransport(nil, eager, httpx.WithBodyBuffer(64<<10))}
	defer client.CloseIdleConnections()
	stream := io.MultiReader(strings.NewReader("streamed "), strings.NewReader("once")) // no GetBody
	req, _ := http.NewRequest(http.MethodPut, server.URL, stream)
	status(client, req)
	// Output: 200 "streamed once"
}

// A server that refuses headers which it does not know.
func ExampleWithoutHeaders() {
	var seen []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen = append(seen, r.Header); len(seen) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: httpx.NewTransport(nil, eager, httpx.WithoutHeaders()), Timeout: time.Minute}
	defer client.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
	status(client, req)
	fmt.Println(len(seen), seen[1]["X-Retry-Attempt"], seen[1]["Request-Timeout"])
	// Output:
	// 200 ""
	// 2 [] []
}

func ExampleIdempotent() {
	get, _ := http.NewRequest(http.MethodGet, "http://orders.internal/7", nil)
	post, _ := http.NewRequest(http.MethodPost, "http://orders.internal/", nil)
	fmt.Println(httpx.Idempotent(get), httpx.Idempotent(post))

	post.Header.Set("Idempotency-Key", "c0ffee")
	fmt.Println(httpx.Idempotent(post))

	declared := get.WithContext(retry.WithIdempotency(get.Context(), retry.NotIdempotent)) // a GET that counts something
	fmt.Println(httpx.Idempotent(declared))
	// Output:
	// true false
	// true
	// false
}

func ExampleAttempt() {
	server := httptest.NewServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if httpx.Attempt(r.Context()) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "attempt %d", httpx.Attempt(r.Context()))
	})))
	defer server.Close()
	client := &http.Client{Transport: httpx.NewTransport(nil, eager)}
	defer client.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
	status(client, req)
	// Output: 200 "attempt 3"
}

// What share of a server's load is retries?
func ExampleOnAttempt() {
	first, resent := 0, 0 // atomic, where requests are concurrent
	handler := httpx.Handler(http.NotFoundHandler(), httpx.OnAttempt(func(_ *http.Request, attempt int) {
		if attempt == 1 {
			first++
		} else {
			resent++
		}
	}))
	for _, attempt := range []string{"", "2", "3"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header.Set("X-Retry-Attempt", attempt)
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	fmt.Println(first, resent)
	// Output: 1 2
}

// Whatever a client asks for, a request may take ten seconds at most.
func ExampleWithMaxTimeout() {
	handler := httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		deadline, _ := r.Context().Deadline()
		fmt.Println(time.Until(deadline).Round(time.Second))
	}), httpx.WithMaxTimeout(10*time.Second))
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Request-Timeout", "1h")
	handler.ServeHTTP(httptest.NewRecorder(), req)
	// Output: 10s
}

// The server pays for the retries that its failures invite, so that clients which live for one
// call cost little in an outage.
func ExampleWithRetryBudget() {
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	handler := httpx.Handler(down, httpx.WithRetryBudget(budget.Fleet{}))
	for range 4 {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		fmt.Printf("%d %q\n", answer.Code, answer.Header().Get("X-Should-Retry"))
	}
	// Output:
	// 503 ""
	// 503 ""
	// 503 "false"
	// 503 "false"
}
