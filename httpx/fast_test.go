package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// asked returns the requests that a first attempt may be made for without a driver, and some
// beside them.
func asked(t *testing.T) map[string]*http.Request {
	late, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	over, end := context.WithCancel(t.Context())
	end()
	with := func(ctx context.Context, method, url string, body io.Reader, change ...func(*http.Request)) *http.Request {
		req := request(t, method, url, body).WithContext(ctx)
		for _, c := range change {
			c(req)
		}
		return req
	}
	key := func(r *http.Request) { r.Header.Set("Idempotency-Key", "4711") }
	//lint:ignore SA1019 http.Client.Timeout still works through it
	canceled := func(r *http.Request) { r.Cancel = make(chan struct{}) }
	return map[string]*http.Request{
		"GET":            with(t.Context(), http.MethodGet, "http://h/", nil),
		"deadline":       with(late, http.MethodGet, "http://h/", nil),
		"own timeout":    with(late, http.MethodGet, "http://h/", nil, func(r *http.Request) { r.Header.Set("Request-Timeout", "1s") }),
		"no header":      with(late, http.MethodGet, "http://h/", nil, func(r *http.Request) { r.Header = nil }),
		"canceled":       with(over, http.MethodGet, "http://h/", nil),
		"client":         with(late, http.MethodGet, "http://h/", nil, canceled),
		"Request.Cancel": with(t.Context(), http.MethodGet, "http://h/", nil, canceled),
		"POST":           with(late, http.MethodPost, "https://h/", strings.NewReader("x")),
		"key":            with(late, http.MethodPost, "https://h/", strings.NewReader("x"), key),
		"stream":         with(late, http.MethodPost, "http://h/", io.LimitReader(strings.NewReader("xy"), 2), key),
		"declared":       with(retry.WithIdempotency(late, retry.NotIdempotent), http.MethodGet, "http://h/", nil),
		"criticality":    with(retry.WithCriticality(late, retry.Sheddable), http.MethodGet, "http://h/", nil),
	}
}

// scripted answers one attempt after the other by a script: a status, "error", "both" or
// "nothing". It notes what was sent.
type scripted struct {
	script []string
	sent   []string
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		r.Body.Close()
	}
	_, timed := r.Header["Request-Timeout"]
	s.sent = append(s.sent, fmt.Sprintln(r.Method, body, r.Header.Get("X-Retry-Attempt"), timed, r.Header.Get("X-Criticality")))
	answer := s.script[min(len(s.sent), len(s.script))-1]
	resp := &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("said")), Header: http.Header{}, Request: r}
	switch answer {
	case "error":
		return nil, errors.New("lost")
	case "both":
		return resp, errors.New("both")
	case "nothing":
		return nil, nil
	}
	_, err := fmt.Sscan(answer, &resp.StatusCode)
	return resp, err
}

// resultOf returns the result of a call, and what its attempts sent.
func resultOf(t *testing.T, base *scripted, req *http.Request, opts ...retry.Option) string {
	p, err := retry.New(retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None()}, opts...)
	require.NoError(t, err)
	if req.GetBody != nil {
		req.Body, err = req.GetBody()
		require.NoError(t, err)
	}
	resp, err := httpx.NewTransport(base, p).RoundTrip(req)
	if err != nil {
		return fmt.Sprintf("%v %q", err, base.sent)
	}
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	report, _ := httpx.ReportFrom(resp.Request.Context())
	return fmt.Sprintf("%d %s %v %d %q", resp.StatusCode, b, report, httpx.AttemptsFrom(resp), base.sent)
}

func TestFirstAttempt_SameWithoutTheDriver(t *testing.T) {
	for _, script := range []string{
		"200", "302", "404", "501", "503 200", "error 200", "503 error 200", "503", "error", "both 200", "nothing 200",
	} {
		for name := range asked(t) {
			t.Run(name+"/"+script, func(t *testing.T) {
				play := func(opts ...retry.Option) string {
					return resultOf(t, &scripted{script: strings.Fields(script)}, asked(t)[name], opts...)
				}
				require.Equal(t, play(retry.WithObserver(&testkit.Watcher{})), play())
			})
		}
	}
}

func TestFirstAttempt_WithDeadlineCostsFourAllocations(t *testing.T) {
	answer := &http.Response{StatusCode: 200, Body: http.NoBody}
	tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) { return answer, nil }), nil)
	reqs := asked(t)
	require.Zero(t, testing.AllocsPerRun(2000, func() { _, _ = tr.RoundTrip(reqs["GET"]) }))
	require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _, _ = tr.RoundTrip(reqs["client"]) }), 4.0)
}
