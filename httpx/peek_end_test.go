package httpx_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// TestPeek_StalledGzipBodyLeavesNothing has bodies stall before and behind the header of gzip,
// for answers that are discarded and answers that the caller closes unread. The bubble fails if a
// goroutine is left, although no context ends.
func TestPeek_StalledGzipBodyLeavesNothing(t *testing.T) {
	for name, begin := range map[string]func(io.Writer){
		"before its header": func(io.Writer) {},
		"behind its header": func(w io.Writer) {
			z := gzip.NewWriter(w)
			_,
				_ = z.Write([]byte("busy"))
			_ = z.Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stalling atomic.Int32
			everyPeek(t, func(w http.ResponseWriter, r *http.Request) {
				stalling.Add(1)
				defer stalling.Add(-1)
				w.Header().Set("Content-Encoding", "gzip")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusTooManyRequests)
				begin(w)
				stalled(w, r)
			}, func(t *testing.T, c *http.Client, seen *[]string) {
				require.Nil(t, httpx.PeekBody(nil))
				for _, base := range []http.RoundTripper{
					c.Transport, byDefault(c.Transport, policy(t, nil)),
					again(c.Transport, policy(t, nil)),
				} {
					resp, err := base.RoundTrip(get(t, context.Background(), "http://pipe/"))
					require.NoError(t, err)
					require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
					start := time.Now()
					require.NoError(t, resp.Body.Close())
					require.LessOrEqual(t, time.Since(start), 100*time.Millisecond)
					synctest.Wait()
					require.Zero(t, stalling.Load(), "the server still has somebody to answer")
				}
				require.NotEmpty(t, *seen)
			})
		})
	}
}

// byDefault returns a Transport over the base of rt that has no option.
func byDefault(rt http.RoundTripper, p *retry.Policy) http.RoundTripper {
	return httpx.NewTransport(rt.(*httpx.Transport).Unwrap(), p)
}

// again returns a Transport over the base of rt that looks at 429, and sends it again.
func again(rt http.RoundTripper, p *retry.Policy) http.RoundTripper {
	return httpx.NewTransport(rt.(*httpx.Transport).Unwrap(), p, httpx.WithBodyPeek(429))
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func TestPeek_JSONOf429ByDefault(t *testing.T) {
	const spent = `{"error":{"code":"insufficient_quota"}}`
	for name, test := range map[string]struct {
		kind, coding, body string
		sent               int
		opts               []httpx.Option
	}{
		"a spent quota": {"application/json", "", spent, 1, nil},
		"a problem":     {"application/problem+json; charset=utf-8", "", `{"type":"InsufficientQuota"}`, 1, nil},
		"compressed":    {"application/json", "gzip", zipped(spent), 1, nil},
		"a vague code":  {"application/json", "", `{"code":"quota_exceeded"}`, 1, nil},
		"and a wait":    {"application/json", "", `{"code":"quota_exceeded","retry_after":0.5}`, 3, nil},
		"text":          {"text/plain", "", spent, 3, nil},
		"another code":  {"application/json", "", `{"error":{"code":"rate_limit_exceeded"}}`, 3, nil},
		"in a message":  {"application/json", "", `{"error":{"message":"insufficient_quota"}}`, 3, nil},
		"malformed":     {"application/json", "", spent[1:], 3, nil},
		"cut":           {"application/json", "", spent[:len(spent)-1], 3, nil},
		"another shape": {"application/json", "", `["insufficient_quota",7,null,{"code":7}]`, 3, nil},
		"deep":          {"application/json", "", strings.Repeat(`[`, 9999) + strings.Repeat(`]`, 9999), 3, nil},
		"too deep":      {"application/json", "", strings.Repeat(`[`, 20) + spent + strings.Repeat(`]`, 20), 3, nil},
		"too long": {
			"application/json", "", spent[:1] + strings.Repeat(" ", 64<<10) + spent[1:], 3,
			[]httpx.Option{httpx.WithPeekLimits(1<<20, time.Second)},
		},
		"switched off":      {"application/json", "", spent, 3, []httpx.Option{httpx.WithPeekLimits(0, time.Second)}},
		"beyond the limit":  {"application/json", "", spent, 3, []httpx.Option{httpx.WithPeekLimits(8, time.Second)}},
		"no event stream":   {"text/event-stream", "", spent, 3, []httpx.Option{httpx.WithBodyPeek(429)}},
		"no JSON, but told": {"text/plain", "", spent, 3, []httpx.Option{httpx.WithBodyPeek(429)}},
	} {
		for proto, protocols := range map[string][]*http.Protocols{"h1": nil, "h2": {unencryptedHTTP2()}} {
			t.Run(proto+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sent := 0
					base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						sent++
						w.Header().Set("Content-Type", test.kind)
						if test.coding != "" {
							w.Header().Set("Content-Encoding", test.coding)
						}
						w.WriteHeader(429)
						_, _ = io.WriteString(w, test.body)
					}), protocols...)
					c := http.Client{
						Transport: httpx.NewTransport(base, policy(t, nil), test.opts...),
						Timeout:   time.Minute,
					}
					resp, err := c.Get("http://pipe/")
					require.NoError(t, err)
					require.Equal(t, test.sent, sent)
					want := test.body
					if test.coding != "" { // net/http decompresses it
						want = spent
					}
					require.Equal(t, want, text(t, resp))
				})
			})
		}
	}
}

func TestPeek_NotIfNotReplayable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failed = `{"error":"ratelimited","ok":false}`
		n := 0
		rec := new(recorder)
		c := pipeClient(t, func(w http.ResponseWriter, r *http.Request) {
			n++
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, failed)
		}, policy(t, nil, retry.WithObserver(rec)), httpx.WithClassifier(byBody), httpx.WithBodyPeek(200))
		for i, req := range []*http.Request{
			request(t, http.MethodPut, "http://pipe/", stream("body")), request(t, http.MethodPost, "http://pipe/",
				strings.NewReader("x")),
		} {
			resp, err := c.Do(req)
			require.NoError(t, err)
			require.Equal(t, failed, text(t, resp))
			require.Equal(t, i+1, n)
			require.Equal(t, []retry.Reason{retry.ReasonNotReplayable, retry.ReasonNotIdempotent}[i], rec.reason())
		}
	})
}

// TestPeek_StalledAnswerTimesOutOnce counts on the look having waited already.
func TestPeek_StalledAnswerTimesOutOnce(t *testing.T) {
	for proto, protocols := range map[string][]*http.Protocols{"h1": nil, "h2": {unencryptedHTTP2()}} {
		t.Run(proto, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if n++; n == 1 {
						w.Header().Set("Content-Type", "application/json")
						w.WriteHeader(http.StatusTooManyRequests)
						stalled(w, r)
					}
				}), protocols...)
				start := time.Now()
				resp, err := (&http.Client{Transport: httpx.NewTransport(base, policy(t, nil))}).Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				text(t, resp)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
			})
		})
	}
}

func TestPeek_CloseEndsReadAhead(t *testing.T) {
	everyPeek(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200); stalled(w, r) },
		func(t *testing.T, c *http.Client, _ *[]string) {
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			time.AfterFunc(time.Second, func() { resp.Body.Close() })
			start := time.Now()
			_, err = resp.Body.Read(make([]byte, 1))
			require.Error(t, err)
			require.Equal(t, time.Second, time.Since(start))
		})
}

func TestPeek_ClosedBodyCannotBeRead(t *testing.T) {
	everyPeek(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "content") },
		func(t *testing.T, c *http.Client, seen *[]string) {
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			n, err := resp.Body.Read(make([]byte, 1))
			require.Zero(t, n)
			require.Error(t, err)
			require.NotEqual(t, io.EOF, err)
			require.Equal(t, []string{"content"}, *seen)
		})
}

// deaf is a body that no context and no Close ends, a byte in ten milliseconds.
type deaf struct {
	trickle
	reads atomic.Int32
}

func (d *deaf) Read(p []byte) (int, error) {
	d.reads.Add(1)
	return d.trickle.Read(p)
}

func TestPeek_NoLongerThanNeeded(t *testing.T) {
	for name, limit := range map[string]time.Duration{"the limit": time.Hour, "the caller's deadline": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				var seen []string
				body := new(deaf)
				tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: body}, nil
				}), policy(t, nil), looking(&seen), httpx.WithBodyPeek(200))
				start := time.Now()
				resp, err := tr.RoundTrip(get(t, ctx, "http://h/"))
				require.NoError(t, err)
				require.Equal(t, min(limit, 100*time.Millisecond), time.Since(start))
				before := body.reads.Load()
				time.Sleep(time.Second)
				require.LessOrEqual(t, body.reads.Load(), before+1, "nobody reads on")
				got := make([]byte, 100)
				_, err = io.ReadFull(resp.Body, got)
				require.NoError(t, err)
				require.EqualValues(t, 100, body.reads.Load(), "each byte is read once")
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

func TestPeek_IdleTimeoutStillApplies(t *testing.T) {
	for _, coding := range []string{"identity", "gzip"} {
		t.Run(coding, func(t *testing.T) {
			everyPeek(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				stalled(w, r)
			}, func(t *testing.T, c *http.Client, _ *[]string) {
				start := time.Now()
				resp, err := c.Get("http://pipe/")
				require.NoError(t, err)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
				_, err = resp.Body.Read(make([]byte, 1))
				late, ok := errors.AsType[net.Error](err)
				require.True(t, ok, err)
				require.True(t, late.Timeout())
				require.Equal(t, time.Second, time.Since(start))
				require.NoError(t, resp.Body.Close())
			}, httpx.WithBodyIdleTimeout(time.Second))
		})
	}
}

// A look that took too long goes on beside a caller who does not read, whose time does not count.
func TestPeek_UnreadBodyDoesNotTimeOut(t *testing.T) {
	everyPeek(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Minute)
		_, _ = io.WriteString(w, "end")
	}, func(t *testing.T, c *http.Client, _ *[]string) {
		for _, after := range []time.Duration{time.Minute - time.Second + 1, time.Minute, time.Hour} {
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			time.Sleep(after)
			require.Equal(t, "beginend", text(t, resp))
		}
	}, httpx.WithBodyIdleTimeout(time.Second))
}

// panicking is a body whose Read panics.
type panicking struct{ closed atomic.Int32 }

func (*panicking) Read([]byte) (int, error) { panic("odd body") }
func (b *panicking) Close() error           { b.closed.Add(1); return nil }

func TestPeek_PanicOfBodyReachesCaller(t *testing.T) {
	var seen []string
	body := new(panicking)
	tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: body}, nil
	}), policy(t, nil), looking(&seen), httpx.WithBodyPeek(200))
	resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
	require.NoError(t, err)
	require.PanicsWithValue(t, "odd body", func() { _, _ = resp.Body.Read(make([]byte, 1)) })
	require.NoError(t, resp.Body.Close())
	require.EqualValues(t, 1, body.closed.Load())
}

func TestPeek_ClassifierPanicLeavesNoBodyOpen(t *testing.T) {
	body := new(closer)
	var closed atomic.Int32
	*body = closer{strings.NewReader("x"), &closed}
	tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: body}, nil
	}), policy(t, nil), httpx.WithBodyPeek(200), httpx.WithClassifier(
		func(_ *http.Request, resp *http.Response, _ error) retry.Outcome {
			panic(string(httpx.PeekBody(resp)))
		},
	))
	require.PanicsWithValue(t, "x", func() { _, _ = tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil)) })
	require.EqualValues(t, 1, closed.Load())
}

func TestPeek_BasePanicLeavesNoContext(t *testing.T) {
	var sent context.Context
	tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent = r.Context()
		panic("odd base")
	}), policy(t, nil), httpx.WithBodyPeek(200))
	require.Panics(t, func() { _, _ = tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil)) })
	require.ErrorIs(t, sent.Err(), context.Canceled)
}

func TestPeek_OneAttemptPeeksOnlyOnRequest(t *testing.T) {
	body := io.NopCloser(strings.NewReader(`{"error":{"code":"insufficient_quota"}}`))
	tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 429, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
	}), policies(t)["never"])
	resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
	require.NoError(t, err)
	require.Equal(t, body, resp.Body)
}

func TestPeek_HookErrorLeavesNoContext(t *testing.T) {
	var prepared context.Context
	tr := httpx.NewTransport(roundTripFunc(nil), policy(t, nil), httpx.WithBodyPeek(200),
		httpx.WithBeforeAttempt(func(req *http.Request, _ *retry.Failure) error {
			prepared = req.Context()
			return io.ErrNoProgress
		}))
	_, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
	require.ErrorIs(t, err, io.ErrNoProgress)
	require.ErrorIs(t, prepared.Err(), context.Canceled)
}

func TestPeek_OtherAnswersKeepTheirBody(t *testing.T) {
	body := io.NopCloser(strings.NewReader("x"))
	for _, opts := range [][]httpx.Option{nil, {httpx.WithBodyPeek(500)}} {
		tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 429, Header: http.Header{"Content-Type": {"application/json"}},
				Body: body,
			}, nil
		}), policy(t, nil), append(opts, httpx.WithClassifier(
			func(*http.Request, *http.Response, error) retry.Outcome { return retry.Outcome{} },
		))...)
		resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		if opts == nil {
			require.Equal(t, body, resp.Body)
		}
		require.Nil(t, httpx.PeekBody(resp))
	}
}
