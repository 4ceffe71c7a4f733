package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// tokens are credentials that a server may not accept any more.
type tokens struct {
	now     atomic.Int64                                      // what the client sends
	valid   atomic.Int64                                      // what the server accepts
	renewed atomic.Int32                                      // how often renew was called
	sent    atomic.Int32                                      // how many requests the server saw
	renew   func(ctx context.Context, r *http.Response) error // nil: at once
}

// options put the tokens on requests, and renew them.
func (k *tokens) options() []httpx.Option {
	return []httpx.Option{
		httpx.WithBeforeAttempt(func(r *http.Request, _ *retry.Failure) error {
			r.Header.Set("Authorization", fmt.Sprint(k.now.Load()))
			return nil
		}),
		httpx.WithReauth(func(ctx context.Context, resp *http.Response) error {
			k.renewed.Add(1)
			if k.renew != nil {
				if err := k.renew(ctx, resp); err != nil {
					return err
				}
			}
			k.now.Add(1)
			return nil
		}),
	}
}

func (k *tokens) RoundTrip(r *http.Request) (*http.Response, error) {
	k.sent.Add(1)
	if r.Body != nil {
		_ = readAll(r)
	}
	resp := reply(200, io.NopCloser(strings.NewReader("you")))
	if r.Header.Get("Authorization") != fmt.Sprint(k.valid.Load()) {
		resp = reply(401, io.NopCloser(strings.NewReader("who?")))
	}
	resp.Request = r
	return resp, nil
}

func (k *tokens) client(p *retry.Policy, opts ...httpx.Option) *http.Client {
	return &http.Client{Transport: httpx.NewTransport(k, p, append(k.options(), opts...)...)}
}

// expired returns tokens of which the server accepts the next.
func expired() *tokens {
	k := new(tokens)
	k.valid.Store(1)
	return k
}

func TestReauth_401ResentOnceWithNewCredentials(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"no body": func() io.Reader { return nil },
		"a copy":  func() io.Reader { return strings.NewReader("pay 5") },
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			k, ledger := expired(), testkit.NewLedger()
			var seen recorder
			p := policy(t, func(c *retry.Config) { c.Budget = budget.Shared(ledger) }, retry.WithObserver(&seen))
			c := k.client(p)
			resp, err := c.Do(request(t, method, "http://h/", body()))
			require.NoError(t, err, name)
			require.Equal(t, "you", text(t, resp))
			require.EqualValues(t, 2, k.sent.Load())
			require.EqualValues(t, 1, k.renewed.Load())
			require.Equal(t, []budget.Evidence{budget.Alive, budget.Alive}, ledger.Ends, "it is no failure of the server")
			require.Equal(t, 1, ledger.Admits, "and pays as other retries do")
			require.Equal(t, "attempt 1 of 3 failed (HTTP 401), retrying in 0s", seen.attempts[0].String())
		}
	}
}

func TestReauth_Second401IsReturned(t *testing.T) {
	k := new(tokens)
	k.valid.Store(-1)
	resp, err := k.client(policy(t, nil)).Get("http://h/")
	require.NoError(t, err)
	require.Equal(t, 401, resp.StatusCode)
	require.Equal(t, "who?", text(t, resp))
	require.EqualValues(t, 2, k.sent.Load())
	require.EqualValues(t, 1, k.renewed.Load())
}

func TestReauth_401WithDoNotRetryIsReturned(t *testing.T) {
	renewed := false
	rt := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp := reply(401, http.NoBody)
		resp.Request = r
		resp.Header = http.Header{"X-Should-Retry": {"false"}}
		return resp, nil
	}), nil, httpx.WithReauth(func(context.Context, *http.Response) error { renewed = true; return nil }))
	resp, err := rt.RoundTrip(get(t, t.Context(), "http://h/"))
	require.NoError(t, err)
	require.Equal(t, 401, resp.StatusCode)
	require.Equal(t, 1, httpx.AttemptsFrom(resp))
	require.False(t, renewed)
}

func TestReauth_401IsReturnedIfNotReplayable(t *testing.T) {
	refuse := testkit.NewLedger()
	refuse.Refuse = func(budget.Kind) bool { return true }
	for name, c := range map[string]struct {
		change  func(*retry.Config)
		body    io.Reader
		renew   error
		renewed int
		reason  retry.Reason
	}{
		"never sent twice": {func(c *retry.Config) { c.MaxAttempts = 1 }, nil, nil, 0, 0},
		"a stream":         {nil, io.MultiReader(strings.NewReader("abc")), nil, 1, retry.ReasonNotReplayable},
		"budget":           {func(c *retry.Config) { c.Budget = budget.Shared(refuse) }, nil, nil, 1, retry.ReasonBudget},
		"no credentials":   {nil, nil, errNoToken, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			k := expired()
			k.renew = func(context.Context, *http.Response) error { return c.renew }
			resp, err := k.client(policy(t, c.change)).Do(request(t, http.MethodPost, "http://h/", c.body))
			require.NoError(t, err)
			require.Equal(t, 401, resp.StatusCode)
			require.Equal(t, "who?", text(t, resp))
			require.EqualValues(t, 1, k.sent.Load())
			require.EqualValues(t, c.renewed, k.renewed.Load())
			report, ok := httpx.ReportFrom(resp.Request.Context())
			require.Equal(t, c.reason != 0, ok)
			if ok {
				require.Equal(t, c.reason, report.Reason)
			}
		})
	}
}

// The credentials of a hundred calls under way expire, some of which are answered late.
func TestReauth_OneRenewalForAllWaitingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := expired()
		k.renew = func(context.Context, *http.Response) error { time.Sleep(time.Second); return nil }
		c := k.client(policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }))
		var good atomic.Int32
		for i := range 100 {
			go func() {
				time.Sleep(time.Duration(i%3) * 100 * time.Millisecond)
				resp, err := c.Get("http://h/")
				if err == nil && resp.StatusCode == 200 {
					good.Add(1)
				}
			}()
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 100, good.Load())
		require.EqualValues(t, 1, k.renewed.Load())
		require.EqualValues(t, 200, k.sent.Load())
	})
}

// The default budget lets through what a renewal has helped.
func TestReauth_ManyCallsUnderDefaultBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := expired()
		k.renew = func(context.Context, *http.Response) error { time.Sleep(time.Second); return nil }
		c := k.client(policy(t, nil))
		var good atomic.Int32
		for range 100 {
			go func() {
				resp, err := c.Get("http://h/")
				if err == nil && resp.StatusCode == 200 {
					good.Add(1)
				}
			}()
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 100, good.Load())
	})
}

func TestReauth_CanceledCallLeavesRenewalToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := expired()
		k.renew = func(ctx context.Context, _ *http.Response) error { return testkit.Pause(ctx, time.Second) }
		c := k.client(policy(t, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		var waited [3]time.Duration
		var wg sync.WaitGroup
		get := func(i int, ctx context.Context) {
			wg.Go(func() {
				resp, err := c.Do(request(t, http.MethodGet, "http://h/", nil).WithContext(ctx))
				if err == nil && i > 0 && resp.StatusCode != 200 {
					t.Errorf("call %d: %d", i, resp.StatusCode)
				}
				waited[i] = time.Since(start)
			})
		}
		get(0, ctx)
		synctest.Wait()
		get(1, t.Context())
		get(2, t.Context())
		wg.Wait()
		require.EqualValues(t, 2, k.renewed.Load())
		require.Equal(t, 300*time.Millisecond, waited[0])
		require.Equal(t, 1300*time.Millisecond, waited[1])
		require.Equal(t, 1300*time.Millisecond, waited[2])
	})
}

func TestReauth_UselessRenewalIsDelayed(t *testing.T) {
	for name, broken := range map[string]error{"it fails": errNoToken, "it does not help": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := new(tokens)
				k.valid.Store(-1)
				k.renew = func(context.Context, *http.Response) error { return broken }
				c := k.client(policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }))
				calls := 0
				for range 1000 { // for ten seconds
					resp, err := c.Get("http://h/")
					require.NoError(t, err)
					require.Equal(t, 401, resp.StatusCode)
					calls++
					time.Sleep(10 * time.Millisecond)
				}
				require.LessOrEqual(t, k.renewed.Load(), int32(5), "1, 2, 4 and 8 seconds apart")
				require.LessOrEqual(t, k.sent.Load(), int32(calls)+5)

				k.renew = nil
				k.valid.Store(k.now.Load())
				resp, err := c.Get("http://h/")
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				k.valid.Add(1) // after a success it is as new
				before := k.renewed.Load()
				resp, err = c.Get("http://h/")
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, before+1, k.renewed.Load())
			})
		})
	}
}

func TestReauth_HostsRenewSeparately(t *testing.T) {
	k := expired()
	k.renew = func(context.Context, *http.Response) error { k.now.Store(0); return nil }
	c := k.client(policy(t, nil))
	for _, host := range []string{"a", "b", "a:80"} {
		k.now.Store(0)
		resp, err := c.Get("http://" + host + "/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
	require.EqualValues(t, 3, k.renewed.Load())
}

func TestReauth_RenewalRequestNotReauthenticated(t *testing.T) {
	k := new(tokens)
	k.valid.Store(-1)
	var c *http.Client
	k.renew = func(ctx context.Context, _ *http.Response) error {
		resp, err := c.Do(request(t, http.MethodGet, "http://h/token", nil).WithContext(ctx))
		if err == nil && resp.StatusCode == 401 {
			err = errNoToken
		}
		return err
	}
	c = k.client(policy(t, nil))
	resp, err := c.Get("http://h/")
	require.NoError(t, err)
	require.Equal(t, 401, resp.StatusCode)
	require.EqualValues(t, 1, k.renewed.Load())
}

// Both attempts of a hedged call are answered 401: each was sent before the renewal.
func TestReauth_HedgedAttemptsShareARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := expired()
		k.renew = func(context.Context, *http.Response) error { time.Sleep(hedgeDelay + time.Millisecond); return nil }
		tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * hedgeDelay)
			return k.RoundTrip(r)
		}), hedging(t, func(c *retry.Config) { c.MaxAttempts = 6 }), k.options()...)
		resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.EqualValues(t, 1, k.renewed.Load())
		require.NoError(t, resp.Body.Close())
	})
}

func TestReauth_HedgeWaitsForRenewal(t *testing.T) {
	for name, failed := range map[string]error{"": nil, "fails": errors.New("no token"), "gives up": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := expired()
				k.renew = func(context.Context, *http.Response) error { time.Sleep(time.Second); return failed }
				slow := roundTripFunc(func(r *http.Request) (*http.Response, error) {
					time.Sleep(15 * time.Millisecond)
					return k.RoundTrip(r)
				})
				p := hedging(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(10 * time.Millisecond) })
				start := time.Now()
				resp, err := httpx.NewTransport(slow, p, k.options()...).RoundTrip(request(t, http.MethodGet, "http://h/", nil))
				require.NoError(t, err)
				if failed == nil {
					require.Equal(t, "you", text(t, resp), "the third attempt has the new credentials")
					require.Equal(t, 1030*time.Millisecond, time.Since(start))
				} else {
					require.Equal(t, 401, resp.StatusCode)
				}
				require.EqualValues(t, 1, k.renewed.Load())
			})
		})
	}
}

func TestReauth_WaitingHedgeNotSentAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := expired()
		k.renew = func(context.Context, *http.Response) error { time.Sleep(2 * time.Second); return nil }
		slow := roundTripFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(15 * time.Millisecond)
			return k.RoundTrip(r)
		})
		p := hedging(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(20 * time.Millisecond) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := httpx.NewTransport(slow, p, k.options()...).RoundTrip(get(t, ctx, "http://h/"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 1, k.sent.Load())
	})
}

func TestReauth_PanicInRenewalReleasesWaiters(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			k := expired()
			k.renew = func(context.Context, *http.Response) error { time.Sleep(time.Second); leave(); return nil }
			c := k.client(policy(t, nil))
			over := make(chan any, 1)
			go func() {
				defer func() { over <- recover() }()
				_, _ = c.Get("http://h/")
			}()
			synctest.Wait()
			resp, err := c.Get("http://h/")
			require.NoError(t, err)
			require.Equal(t, 401, resp.StatusCode, name)
			if got := <-over; name == "panic" {
				require.Equal(t, "boom", got)
			}
		})
	}
}

func TestReauth_SeesResponseAndContext(t *testing.T) {
	type key struct{}
	k := expired()
	k.renew = func(ctx context.Context, resp *http.Response) error {
		if resp.StatusCode != 401 || ctx.Value(key{}) != 1 {
			return errors.New("not the call's")
		}
		return nil
	}
	ctx := context.WithValue(t.Context(), key{}, 1)
	resp, err := k.client(policy(t, nil)).Do(request(t, http.MethodGet, "http://h/", nil).WithContext(ctx))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
}
