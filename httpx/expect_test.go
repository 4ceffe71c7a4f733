package httpx_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// unwilling is a base that answers 417 to what has an Expect, and to some that have none.
type unwilling struct {
	mu     sync.Mutex
	always int
	delay  time.Duration
	header http.Header
	bodies []string
	with   []bool // Expect
}

func (u *unwilling) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(u.delay)
	u.mu.Lock()
	defer u.mu.Unlock()
	expects := r.Header.Get("Expect") != ""
	u.with = append(u.with, expects)
	switch {
	case expects:
	case u.always > 0:
		u.always--
	default:
		body, _ := io.ReadAll(r.Body)
		u.bodies = append(u.bodies, string(body))
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{StatusCode: 417, Header: u.header, Body: http.NoBody}, nil
}

// slow returns a policy that waits for an hour before what it pays for.
func slow(t *testing.T, rec *recorder, change func(*retry.Config)) *retry.Policy {
	return policy(t, func(c *retry.Config) {
		c.Backoff = backoff.Constant(time.Hour)
		if change != nil {
			change(c)
		}
	}, retry.WithObserver(rec))
}

func expecting(t *testing.T, body io.Reader) *http.Request {
	req := request(t, http.MethodPost, "http://h/", body)
	req.Header.Set("Expect", "100-continue")
	return req
}

func TestExpect_RefusedIsResentWithoutForFree(t *testing.T) {
	for name, opts := range map[string][]httpx.Option{
		"": nil, "quiet": {httpx.WithoutHeaders()}, "buffered": {httpx.WithBodyBuffer(100)},
		"a classifier of the user's": {httpx.WithClassifier(httpx.Classify)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec, base := new(recorder), new(unwilling)
				tr := httpx.NewTransport(base, slow(t, rec, nil), opts...)
				req := expecting(t, strings.NewReader("pay 5"))
				if name == "buffered" {
					req = expecting(t, stream("pay 5"))
				}
				start := time.Now()
				resp, err := tr.RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, []bool{true, false}, base.with)
				require.Equal(t, []string{"pay 5"}, base.bodies)
				require.Zero(t, time.Since(start))
				require.Equal(t, retry.Unprocessed, rec.attempts[0].Outcome.Class)
				require.Equal(t, "100-continue", req.Header.Get("Expect"), "the caller's is its own")
			})
		})
	}
}

func TestExpect_RefusedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		base *unwilling
		req  func(*http.Request)
		sent int
		cfg  func(*retry.Config)
		why  retry.Reason
	}{
		"without it, too": {&unwilling{always: 9}, nil, 2, nil, retry.ReasonRejected},
		"there was none": {
			&unwilling{always: 9}, func(r *http.Request) { r.Header.Del("Expect") }, 1, nil, retry.ReasonRejected,
		},
		"do not retry": {
			&unwilling{header: http.Header{"X-Should-Retry": {"false"}}}, nil, 1, nil, retry.ReasonRejected,
		},
		"do retry": {
			&unwilling{header: http.Header{"X-Should-Retry": {"true"}}}, nil, 2, nil, retry.ReasonSuccess,
		},
		"a body that is one": {
			&unwilling{}, func(r *http.Request) { r.GetBody = nil; _, _ = r.Body.Read(make([]byte, 1)) }, 2, nil,
			retry.ReasonSuccess,
		},
		"one attempt": {
			&unwilling{}, nil, 1, func(c *retry.Config) { c.MaxAttempts = 1 }, retry.ReasonMaxAttempts,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := new(recorder)
			req := expecting(t, strings.NewReader("pay 5"))
			if test.req != nil {
				test.req(req)
			}
			resp, err := httpx.NewTransport(test.base, slow(t, rec, test.cfg)).RoundTrip(req)
			require.NoError(t, err)
			require.Len(t, test.base.with, test.sent)
			require.Equal(t, test.why, rec.reason())
			if test.why == retry.ReasonSuccess {
				require.Equal(t, 200, resp.StatusCode)
			} else {
				require.Equal(t, 417, resp.StatusCode)
			}
		})
	}
}

func TestExpect_ReadBodyIsNotResent(t *testing.T) {
	rec := new(recorder)
	n := 0
	tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		n++
		_, _ = io.Copy(io.Discard, r.Body) // the server's 100 was late
		return &http.Response{StatusCode: 417, Body: http.NoBody}, nil
	}), slow(t, rec, nil))
	resp, err := tr.RoundTrip(expecting(t, stream("pay 5")))
	require.NoError(t, err)
	require.Equal(t, 417, resp.StatusCode)
	require.Equal(t, 1, n)
	require.Equal(t, retry.ReasonNotReplayable, rec.reason())
}

func TestExpect_HedgesResentWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, base := new(recorder), &unwilling{delay: 30 * time.Millisecond}
		p := policy(t, func(c *retry.Config) {
			c.Hedge, c.Budget = timeout.Fixed(10*time.Millisecond), budget.Unlimited{}
		}, retry.WithObserver(rec))
		req := expecting(t, strings.NewReader("pay 5"))
		req.Header.Set("Idempotency-Key", "k")
		resp, err := httpx.NewTransport(base, p).RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	})
}

func TestExpect_HookDoesNotRestoreIt(t *testing.T) {
	base := new(unwilling)
	tr := httpx.NewTransport(base, slow(t, new(recorder), nil),
		httpx.WithBeforeAttempt(func(req *http.Request, _ *retry.Failure) error {
			req.Header.Set("Expect", "100-continue")
			return nil
		}))
	resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://h/", strings.NewReader("pay 5")))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, []bool{true, false}, base.with)
}

func TestExpect_CostsNoBudget(t *testing.T) {
	rec, base := new(recorder), new(unwilling)
	tr := httpx.NewTransport(base, policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{} },
		retry.WithObserver(rec)))
	for range 1000 {
		resp, err := tr.RoundTrip(expecting(t, strings.NewReader("pay 5")))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
	require.Len(t, base.with, 2000)
}

func TestExpect_NetHTTPServerRefusesUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = append(got, string(body))
		}, slow(t, new(recorder), nil))
		req := request(t, http.MethodPost, "http://pipe/", strings.NewReader("pay 5"))
		req.Header.Set("Expect", "a-miracle")
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.Equal(t, []string{"pay 5"}, got)
	})
}
