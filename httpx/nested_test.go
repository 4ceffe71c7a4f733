package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// byStatus is a base that answers by the host's name: "503.test", "404.test", "refused.test",
// anything else with 200.
type byStatus struct {
	mu   sync.Mutex
	sent map[string]int
}

func (c *byStatus) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent == nil {
		c.sent = map[string]int{}
	}
	c.sent[r.URL.Host]++
	status := http.StatusOK
	switch r.URL.Host {
	case "503.test":
		status = http.StatusServiceUnavailable
	case "404.test":
		status = http.StatusNotFound
	case "refused.test":
		return nil, refusedDial()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// lavish retries three times at once, whatever happens.
func lavish() retry.Config {
	return retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None(), Budget: budget.Unlimited{}}
}

// visit makes a request and makes an error of its status, as most operations do. What it wraps
// says nothing of ours.
func visit(ctx context.Context, rt http.RoundTripper, method, host string) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+"/", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return errors.New(err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return errors.New(resp.Status)
	}
	return nil
}

// nesting describes an operation that makes calls of its own, and the attempts that its retries
// send to each host.
type nesting struct {
	inner func(*retry.Config)
	op    func(ctx context.Context, rt http.RoundTripper) error
	opts  []retry.Option
	sent  map[string]int
}

func getFrom(ctx context.Context, rt http.RoundTripper, host string) error {
	return visit(ctx, rt, "GET", host)
}

// spentNestings has the operations whose last call was spent, so that they are not repeated.
var spentNestings = map[string]nesting{
	"an answer": {
		op:   func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "503.test") },
		sent: map[string]int{"503.test": 3},
	},
	"an error whose text is kept": {
		op:   func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "refused.test") },
		sent: map[string]int{"refused.test": 3},
	},
	"out of budget": {
		inner: func(c *retry.Config) { c.Budget = budget.Adaptive{Strict: true} },
		op:    func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "503.test") },
		sent:  map[string]int{"503.test": 2},
	},
	"on another goroutine": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			ended := make(chan error)
			go func() { ended <- getFrom(ctx, rt, "503.test") }()
			return <-ended
		},
		sent: map[string]int{"503.test": 3},
	},
	"under a deadline of its own": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return getFrom(ctx, rt, "503.test")
		},
		sent: map[string]int{"503.test": 3},
	},
	"after one that succeeded": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			_ = getFrom(ctx, rt, "ok.test")
			return getFrom(ctx, rt, "503.test")
		},
		sent: map[string]int{"ok.test": 1, "503.test": 3},
	},
	"side by side with one that succeeds later": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
			slow := httpx.NewTransport(rtFunc(func(r *http.Request) (*http.Response, error) {
				close(begun)
				<-goOn
				return (&byStatus{}).RoundTrip(r)
			}), retry.Must(retry.New(lavish())))
			go func() { ended <- getFrom(ctx, slow, "ok.test") }()
			<-begun
			err := getFrom(ctx, rt, "503.test")
			close(goOn)
			return errors.Join(err, <-ended)
		},
		sent: map[string]int{"503.test": 3},
	},
}

// otherNestings has those whose last call was not spent, or where something else decides.
var otherNestings = map[string]nesting{
	"the last call succeeded": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			_ = getFrom(ctx, rt, "503.test")
			_ = getFrom(ctx, rt, "ok.test")
			return errors.New("not the request's fault")
		},
		sent: map[string]int{"503.test": 9, "ok.test": 3},
	},
	"the last call was refused": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			_ = getFrom(ctx, rt, "503.test")
			return getFrom(ctx, rt, "404.test")
		},
		sent: map[string]int{"503.test": 9, "404.test": 3},
	},
	"nothing was exhausted": {
		op:   func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "404.test") },
		sent: map[string]int{"404.test": 3},
	},
	"the inner layer does not retry": {
		inner: func(c *retry.Config) { c.MaxAttempts = 1 },
		op:    func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "503.test") },
		sent:  map[string]int{"503.test": 3},
	},
	"the inner layer may not": {
		op:   func(ctx context.Context, rt http.RoundTripper) error { return visit(ctx, rt, "POST", "503.test") },
		sent: map[string]int{"503.test": 3},
	},
	"it succeeds all the same": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			_ = getFrom(ctx, rt, "503.test")
			return nil
		},
		sent: map[string]int{"503.test": 3},
	},
	"a classifier says otherwise": {
		op: func(ctx context.Context, rt http.RoundTripper) error { return getFrom(ctx, rt, "503.test") },
		opts: []retry.Option{retry.WithClassifier(func(error) retry.Outcome {
			return retry.Outcome{Class: retry.Transient}
		})},
		sent: map[string]int{"503.test": 9},
	},
	"three layers": {
		op: func(ctx context.Context, rt http.RoundTripper) error {
			middle := retry.Must(retry.New(lavish()))
			err := retry.Do(ctx, middle, func(ctx context.Context) error { return getFrom(ctx, rt, "503.test") })
			return fmt.Errorf("middle: %v", err)
		},
		sent: map[string]int{"503.test": 3},
	},
}

func TestNested_OneLayerRetriesThroughResponse(t *testing.T) {
	all := maps.Clone(spentNestings)
	maps.Copy(all, otherNestings)
	for name, c := range all {
		for how, outer := range map[string]func(*retry.Config){
			"plain": func(*retry.Config) {}, "timed": func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Hour) },
			"hedged": func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Hour) }, "budget": func(c *retry.Config) { c.Budget = budget.AWS{} },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				base, inner, cfg := &byStatus{}, lavish(), lavish()
				if c.inner != nil {
					c.inner(&inner)
				}
				outer(&cfg)
				rt := httpx.NewTransport(base, retry.Must(retry.New(inner)))
				p := retry.Must(retry.New(cfg, c.opts...))
				if how != "hedged" {
					_ = retry.Do(t.Context(), p, func(ctx context.Context) error { return c.op(ctx, rt) })
					require.Equal(t, c.sent, base.sent)
					clear(base.sent)
					if how == "budget" || inner.Budget != (budget.Unlimited{}) {
						return // a second call may have less to spend
					}
				}
				_, _ = retry.DoValue(t.Context(), p, func(ctx context.Context) (int, error) { return 0, c.op(ctx, rt) })
				require.Equal(t, c.sent, base.sent)
			})
		}
	}
}

type rtFunc func(*http.Request) (*http.Response, error)

func (f rtFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNested_AttemptTimeoutStillRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		rt := httpx.NewTransport(rtFunc(func(r *http.Request) (*http.Response, error) {
			sent++
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), retry.Must(retry.New(lavish())))
		cfg := lavish()
		cfg.AttemptTimeout = timeout.Fixed(time.Second)
		_ = visit(t.Context(), httpx.NewTransport(&byStatus{}, retry.Must(retry.New(lavish()))), "GET", "503.test")
		err := retry.Do(t.Context(), retry.Must(retry.New(cfg)), func(ctx context.Context) error {
			return visit(ctx, rt, "GET", "silent.test")
		})
		var stopped *retry.Error
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, 3, stopped.Attempts)
		require.Equal(t, 3, sent)
	})
}

// The request above hears of it, too: a service whose own call was exhausted says "do not retry",
// through Do.
func TestNested_HandlerAroundDoSendsDoNotRetry(t *testing.T) {
	rt := httpx.NewTransport(&byStatus{}, retry.Must(retry.New(lavish())))
	for _, host := range []string{"503.test", "404.test"} {
		h := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if retry.Do(r.Context(), retry.Must(retry.New(retry.Config{MaxAttempts: 1})), func(ctx context.Context) error {
				return visit(ctx, rt, "GET", host)
			}) != nil {
				w.WriteHeader(http.StatusBadGateway)
			}
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, host == "503.test", w.Header().Get("X-Should-Retry") == "false", host)
	}
}

func TestNested_DeclarationAppliesToItsCall(t *testing.T) {
	post := func(ctx context.Context, rt http.RoundTripper) error { return visit(ctx, rt, "POST", "503.test") }
	get := func(ctx context.Context, rt http.RoundTripper) error { return visit(ctx, rt, "GET", "503.test") }
	inside := func(op func(context.Context, http.RoundTripper) error) func(context.Context, http.RoundTripper) error {
		return func(ctx context.Context, rt http.RoundTripper) error {
			cfg := lavish()
			cfg.MaxAttempts = 1
			return retry.Do(ctx, retry.Must(retry.New(cfg)), func(ctx context.Context) error {
				require.Equal(t, retry.Undeclared, retry.Idempotency(layer.Declared(ctx)))
				return op(ctx, rt)
			})
		}
	}
	derived := func(op func(context.Context, http.RoundTripper) error) func(context.Context, http.RoundTripper) error {
		return func(ctx context.Context, rt http.RoundTripper) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return op(ctx, rt)
		}
	}
	timed := func(op func(context.Context, http.RoundTripper) error) func(context.Context, http.RoundTripper) error {
		return func(ctx context.Context, rt http.RoundTripper) error {
			cfg := lavish()
			cfg.MaxAttempts, cfg.AttemptTimeout, cfg.Hedge = 1, timeout.Fixed(time.Hour), timeout.Fixed(time.Minute)
			_, err := retry.DoValue(ctx, retry.Must(retry.New(cfg)), func(ctx context.Context) (int, error) { return 0, op(ctx, rt) })
			return err
		}
	}
	declared := func(i retry.Idempotency, op func(context.Context, http.RoundTripper) error) func(context.Context, http.RoundTripper) error {
		return func(ctx context.Context, rt http.RoundTripper) error { return op(retry.WithIdempotency(ctx, i), rt) }
	}
	yes, no := retry.Idempotent, retry.NotIdempotent
	for name, c := range map[string]struct {
		op   func(context.Context, http.RoundTripper) error
		sent int
	}{
		"nothing declared":                    {post, 1},
		"a request":                           {declared(yes, post), 3},
		"a request, derived":                  {declared(yes, derived(post)), 3},
		"a request that is not":               {declared(no, get), 1},
		"an operation":                        {declared(yes, inside(post)), 1},
		"an operation, derived":               {declared(yes, derived(inside(derived(post)))), 1},
		"an operation that is not":            {declared(no, inside(get)), 3},
		"an operation, timed and hedged":      {declared(yes, timed(post)), 1},
		"a request in an operation":           {inside(declared(yes, post)), 3},
		"both":                                {declared(no, inside(declared(yes, post))), 3},
		"an operation in an operation":        {declared(yes, inside(inside(post))), 1},
		"an operation in one, declared there": {inside(declared(yes, inside(post))), 1},
	} {
		t.Run(name, func(t *testing.T) {
			base := &byStatus{}
			require.Error(t, c.op(t.Context(), httpx.NewTransport(base, retry.Must(retry.New(lavish())))))
			require.Equal(t, c.sent, base.sent["503.test"])
		})
	}
}

// numbers records which attempt each request to a host looks like to what is below the transport.
type numbers struct {
	base http.RoundTripper
	seen map[string][]int
}

func (n *numbers) RoundTrip(r *http.Request) (*http.Response, error) {
	n.seen[r.URL.Host] = append(n.seen[r.URL.Host], retry.AttemptNumber(r.Context()))
	return n.base.RoundTrip(r)
}

func TestNested_FirstAttemptInsideAnyOther(t *testing.T) {
	newBase := func() *numbers { return &numbers{&byStatus{}, map[string][]int{}} }
	t.Run("a resend of an operation", func(t *testing.T) {
		base := newBase()
		rt := httpx.NewTransport(base, retry.Must(retry.New(lavish())))
		_ = retry.Do(t.Context(), retry.Must(retry.New(lavish())), func(ctx context.Context) error {
			require.NoError(t, visit(ctx, rt, "GET", "ok.test"))
			return errors.New("something else")
		})
		require.Equal(t, []int{1, 1, 1}, base.seen["ok.test"])
	})
	t.Run("a resend of a request, for a token", func(t *testing.T) {
		tokens := newBase()
		auth := httpx.NewTransport(tokens, retry.Must(retry.New(lavish())))
		base := newBase()
		rt := httpx.NewTransport(rtFunc(func(r *http.Request) (*http.Response, error) {
			require.Error(t, visit(r.Context(), auth, "GET", "503.test"))
			return base.RoundTrip(r)
		}), retry.Must(retry.New(lavish())))
		require.Error(t, visit(t.Context(), rt, "GET", "503.test"))
		require.Equal(t, []int{1, 2, 3}, base.seen["503.test"])
		require.Equal(t, []int{1, 2, 3, 1, 2, 3, 1, 2, 3}, tokens.seen["503.test"])
	})
	t.Run("the response names the caller's request", func(t *testing.T) {
		rt := httpx.NewTransport(newBase(), retry.Must(retry.New(lavish())))
		n := 0
		_ = retry.Do(t.Context(), retry.Must(retry.New(lavish())), func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, "PUT", "http://ok.test/", strings.NewReader("x"))
			require.NoError(t, err)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			require.Same(t, req, resp.Request)
			_, _ = io.Copy(io.Discard, resp.Body)
			if n++; n == 1 {
				return errors.New("again")
			}
			return nil
		})
		require.Equal(t, 2, n)
	})
}
