package main

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func requestTo(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	return req
}

func TestCases_EvenkeelPasses(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if !c.measuresProcess() {
				t.Parallel()
			}
			require.Equal(t, finding{Case: c.name, Library: evenkeel, Result: "pass"}, c.against(evenkeelLibrary))
		})
	}
}

// naive is what many write on a Friday: it repeats whatever fails, and looks at nothing.
var naive = &library{
	name: "naive",
	do: func(r rules) doer {
		return func(_ context.Context, op func(context.Context) error) error {
			for range r.attempts + 1 { // "retries"
				ctx, cancel := limited(context.Background(), r)
				err := op(ctx)
				cancel()
				if err == nil {
					return nil
				}
				time.Sleep(r.delay % time.Second)
			}
			return errNaive
		}
	},
	http: func(r rules, base http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			req.Header.Set("Again", "1")
			for range r.attempts + 1 {
				ctx, cancel := limited(req.Context(), r)
				resp, err := base.RoundTrip(req.WithContext(ctx))
				cancel()
				if err == nil && resp.StatusCode < 500 {
					return resp, nil
				}
			}
			return nil, errNaive
		})
	},
	hedging: func(r rules, base http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			type result struct {
				resp *http.Response
				err  error
			}
			results := make(chan result) // those that come late hang
			for range r.attempts + 2 {
				go func() {
					resp, err := base.RoundTrip(req)
					results <- result{resp, err}
				}()
			}
			won := <-results
			return won.resp, won.err
		})
	},
	delay: func(base, _ time.Duration) func(int) time.Duration {
		return func(n int) time.Duration { return base << n }
	},
	attemptTimeout: true,
	budgeted: func(r rules) (doer, retryLimit) {
		return func(ctx context.Context, op func(context.Context) error) error {
			for range r.attempts {
				_ = op(ctx)
			}
			return errNaive
		}, retryLimit{total: 10}
	},
}

var errNaive = errors.New("it did not work")

func limited(ctx context.Context, r rules) (context.Context, context.CancelFunc) {
	if r.timeout > 0 {
		return context.WithTimeout(ctx, r.timeout)
	}
	return ctx, func() {}
}

// A case that nobody can fail shows nothing.
func TestCases_CanFail(t *testing.T) {
	right := []string{ // what even naive does right
		"an error body that stalls does not stall the retry",
		"a POST with an Idempotency-Key is retried",
		"hedging: a fast 404 and a slower 200: the 404 is the answer",
		"hedging: the winner's body can be read when the other is cancelled",
		"HTTP/2 gives the stream up while the request's body blocks in Read: the call returns",
		"a RoundTripper below that calls GetBody, to sign, leaves the attempt's body whole",
		"50 calls on an HTTP/2 connection that is cut are all saved",
		"a POST into a black hole, under an attempt timeout, is sent again",
		"a TLS handshake that the server breaks off with internal_error is retried",
		"PROPFIND, REPORT and MKCOL are idempotent by IANA's registry, and retried",
		"a connection that was upgraded is handed over, and stays open",
	}
	for _, c := range cases() {
		luck := strings.HasPrefix(c.name, "http.Client.Timeout") || strings.HasPrefix(c.name, "hedging: a server's wait")
		if strings.HasPrefix(c.name, "gRPC") || c.measuresProcess() || luck {
			continue // naive has no gRPC, and finding leaks has a test of its own
		}
		t.Run(c.name, func(t *testing.T) {
			if underRace && strings.Contains(c.name, "its own copy of the body") {
				t.Skip("naive's attempts share their body: a race, which is the point")
			}
			t.Parallel()
			want := "fail"
			if slices.Contains(right, c.name) {
				want = "pass"
			}
			f := c.against(naive)
			require.Equal(t, want, f.Result, f.Reason)
		})
	}
}

func TestCases_FindLeaks(t *testing.T) {
	var kept [][]byte
	err := flat(time.Second, func(context.Context, int) error {
		kept = append(kept, make([]byte, 64))
		return nil
	})
	require.ErrorContains(t, err, "heap")
	require.NotEmpty(t, kept)

	stop := make(chan struct{})
	defer close(stop)
	n := 0
	err = flat(time.Second, func(context.Context, int) error {
		if n++; n%1000 == 0 {
			go func() { <-stop }()
		}
		return nil
	})
	require.ErrorContains(t, err, "goroutines")
}

func TestCases_NotApplicableIsNoFailure(t *testing.T) {
	f := testCase{name: "some", run: oneConnection}.against(goRetryLibrary)
	require.Equal(t, "n.a.", f.Result)
	require.NotEmpty(t, f.Reason)
}

func TestCases_HangOrPanicFails(t *testing.T) {
	err := within(time.Millisecond, func() error { select {} })
	require.ErrorContains(t, err, "hung")
	err = within(time.Minute, func() error { panic("oh") })
	require.ErrorContains(t, err, "panicked: oh")
}

func TestFindings_PrintedByCase(t *testing.T) {
	found := tryAll(regexp.MustCompile("^501 is not retried$"))
	require.Len(t, found, len(libraries()))
	var b strings.Builder
	printFindings(&b, found)
	require.Contains(t, b.String(), "| 501 is not retried | pass | pass |")
	require.Contains(t, b.String(), "n.a.: backoff/v4, backoff/v5")
	require.Contains(t, b.String(), "1 of 1")
}
