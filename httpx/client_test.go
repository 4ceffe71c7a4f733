package httpx_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// policies returns a policy for each path through RoundTrip: the happy path, those that give each
// attempt a context, and one that never retries. The behavior of net/http must be the same on all.
func policies(t testing.TB) map[string]*retry.Policy {
	return map[string]*retry.Policy{
		"plain":  policy(t, nil),
		"timed":  policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) }),
		"hedged": policy(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Minute) }),
		"never":  policy(t, func(c *retry.Config) { c.MaxAttempts = 1 }),
	}
}

// everyWay runs a test with each policy over HTTP/1 and HTTP/2.
func everyWay(t *testing.T, h http.Handler, test func(t *testing.T, url string, c *http.Client)) {
	for name, p := range policies(t) {
		for _, proto := range []string{"h1", "h2"} {
			t.Run(name+"-"+proto, func(t *testing.T) {
				s := httptest.NewUnstartedServer(h)
				s.EnableHTTP2 = proto == "h2"
				s.StartTLS()
				defer s.Close()
				c := s.Client()
				c.Transport = httpx.NewTransport(c.Transport, p)
				test(t, s.URL, c)
			})
		}
	}
}

func TestClient_Redirect307KeepsBody(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/from", http.RedirectHandler("/to", http.StatusTemporaryRedirect))
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	everyWay(t, mux, func(t *testing.T, url string, c *http.Client) {
		for _, body := range []func() io.Reader{
			func() io.Reader { return strings.NewReader("pay 5") },
			func() io.Reader { return bytes.NewBufferString("pay 5") },
		} {
			resp, err := c.Post(url+"/from", "text/plain", body())
			require.NoError(t, err)
			require.Equal(t, "pay 5", text(t, resp))
			require.Equal(t, "/to", resp.Request.URL.Path)
		}
	})
}

func TestClient_RedirectAfterRetryKeepsBody(t *testing.T) {
	failed := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !failed:
			failed = true
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/from":
			http.Redirect(w, r, "/to?x=1", http.StatusPermanentRedirect)
		default:
			_, _ = io.Copy(w, r.Body)
		}
	}))
	defer s.Close()
	resp, err := client(t, policy(t, nil)).Do(request(t, http.MethodPut, s.URL+"/from", strings.NewReader("pay 5")))
	require.NoError(t, err)
	require.Equal(t, "pay 5", text(t, resp))
	require.Equal(t, "/to", resp.Request.URL.Path)
}

func TestClient_CookiesAndGzip(t *testing.T) {
	everyWay(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("session"); err == nil {
			_, _ = io.WriteString(w, c.Value)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1"})
	}), func(t *testing.T, url string, c *http.Client) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		c.Jar = jar
		for _, want := range []string{"", "s1"} {
			resp, err := c.Get(url)
			require.NoError(t, err)
			require.Equal(t, want, text(t, resp))
		}
	})
}

func TestClient_TrailersArrive(t *testing.T) {
	everyWay(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write(body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sent"))
	}), func(t *testing.T, url string, c *http.Client) {
		req := request(t, http.MethodPut, url, io.MultiReader(strings.NewReader("pay 5")))
		req.Trailer = http.Header{"X-Sent": {"42"}}
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, "pay 5", text(t, resp))
		require.Equal(t, "42", resp.Trailer.Get("X-Sum"))
	})
}

func TestClient_SwitchingProtocolsUntouched(t *testing.T) {
	for name, p := range policies(t) {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				switchToEcho(w)
			}))
			defer s.Close()
			req := request(t, http.MethodGet, s.URL, nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "echo")
			resp, err := client(t, p).Do(req)
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			conn, ok := resp.Body.(io.ReadWriteCloser)
			require.True(t, ok)
			_, err = io.WriteString(conn, "hello\n")
			require.NoError(t, err)
			require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
			line, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "hello\n", line)
			require.NoError(t, conn.Close())
		})
	}
}

func TestClient_InformationalResponsesAndExpectContinue(t *testing.T) {
	everyWay(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.Copy(w, r.Body)
	}), func(t *testing.T, url string, c *http.Client) {
		var hints, continues atomic.Int32
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
				if code == http.StatusEarlyHints {
					hints.Add(1)
				}
				return nil
			},
			Got100Continue: func() { continues.Add(1) },
		})
		req := request(t, http.MethodPut, url, io.MultiReader(strings.NewReader("pay 5"))).WithContext(ctx)
		req.Header.Set("Expect", "100-continue")
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, "pay 5", text(t, resp))
		require.EqualValues(t, 1, hints.Load())
	})
}

func TestClient_RefusedExpectationRetriedWithFullBody(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // without having asked for the body
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	defer s.Close()
	base := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer base.CloseIdleConnections()
	req := request(t, http.MethodPut, s.URL, io.MultiReader(strings.NewReader("pay 5")))
	req.Header.Set("Expect", "100-continue")
	resp, err := (&http.Client{Transport: httpx.NewTransport(base, policy(t, nil))}).Do(req)
	require.NoError(t, err)
	require.Equal(t, "pay 5", text(t, resp))
}

func TestClient_SlowReaderGetsEveryByte(t *testing.T) {
	everyWay(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 16 {
			_, _ = w.Write(make([]byte, 32<<10))
			_ = http.NewResponseController(w).Flush()
		}
	}), func(t *testing.T, url string, c *http.Client) {
		resp, err := c.Get(url)
		require.NoError(t, err)
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, make([]byte, 1000))
		require.NoError(t, err)
		require.EqualValues(t, 512<<10, n)
		require.NoError(t, resp.Body.Close())
	})
}

func TestClient_IdleConnectionsSurviveExhaustedCall(t *testing.T) {
	s := serve(t, 503, 503, 503)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	c := http.Client{Transport: httpx.NewTransport(base, policy(t, nil))}
	resp, err := c.Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	text(t, resp)
	reused := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
	})
	resp, err = (&http.Client{Transport: base}).Do(get(t, ctx, s.URL))
	require.NoError(t, err)
	text(t, resp)
	require.True(t, reused)
}

// idler notes CloseIdleConnections.
type idler struct {
	http.RoundTripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestClient_OneAttemptReturnsBasesValues(t *testing.T) {
	deadlined, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	for name, opts := range map[string][]retry.Option{"plain": nil, "observed": {retry.WithObserver(new(recorder))}} {
		p := policy(t, func(c *retry.Config) { c.MaxAttempts = 1 }, opts...)
		for _, ctx := range []context.Context{t.Context(), deadlined} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for _, err := range []error{io.EOF, refusedDial(), errors.New("x"), &url.Error{}, context.Canceled} {
					tr := httpx.NewTransport(roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err }), p)
					_, got := tr.RoundTrip(request(t, method, "http://h/", nil).WithContext(ctx))
					require.True(t, err == got, "%s: %v is not %v", name, got, err)
				}
				for _, code := range []int{200, 404, 429, 500, 503} {
					resp := &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader("x"))}
					tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
						resp.Request = r
						return resp, nil
					}), p)
					body := resp.Body
					got, err := tr.RoundTrip(request(t, method, "http://h/", nil).WithContext(ctx))
					require.NoError(t, err)
					require.Same(t, resp, got)
					require.Equal(t, body, got.Body)
					_, ok := httpx.ReportFrom(got.Request.Context())
					require.False(t, ok)
				}
			}
		}
	}
}

func TestClient_FirstAttemptIsCallersOwnRequest(t *testing.T) {
	var got *http.Request
	tr := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		got = r
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}), nil)
	for _, req := range []*http.Request{
		request(t, http.MethodGet, "http://h/", nil), request(t, http.MethodPost, "http://h/", strings.NewReader("x")),
	} {
		_, err := tr.RoundTrip(req)
		require.NoError(t, err)
		require.Same(t, req, got)
		require.LessOrEqual(t, testing.AllocsPerRun(2000, func() { _, _ = tr.RoundTrip(req) }), 1.0, "the response")
	}
}

// TestClient_ResponseNamesCallersRequest has http.Transport send copies of its own: for a request
// with a body, over an HTTP/2 connection that it has kept.
func TestClient_ResponseNamesCallersRequest(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	ctx, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	sign := httpx.WithBeforeAttempt(func(r *http.Request, _ *retry.Failure) error {
		r.Header.Set("Authorization", "secret")
		return nil
	})
	for name, tr := range map[string]*httpx.Transport{
		"fast":         httpx.NewTransport(s.Client().Transport, policy(t, nil)),
		"signed":       httpx.NewTransport(s.Client().Transport, policy(t, nil), sign),
		"idle timeout": httpx.NewTransport(s.Client().Transport, policy(t, nil), httpx.WithBodyIdleTimeout(time.Hour)),
	} {
		for range 2 {
			req := request(t, http.MethodPut, s.URL, strings.NewReader("x")).WithContext(ctx)
			resp, err := tr.RoundTrip(req)
			require.NoError(t, err)
			text(t, resp)
			require.NoError(t, resp.Request.Context().Err(), name)
			require.Empty(t, resp.Request.Header, name)
			require.Same(t, req, resp.Request, name)
		}
	}
}

func TestClient_SlowReaderAfterRetryUnderAttemptTimeout(t *testing.T) {
	for name, protocols := range map[string]*http.Protocols{"h1": nil, "h2": unencryptedHTTP2()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				base := pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if n++; n == 1 {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					_, _ = w.Write(make([]byte, 512<<10))
				}), protocols)
				const limit = 300 * time.Millisecond
				p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(limit) })
				resp, err := (&http.Client{Transport: httpx.NewTransport(base, p)}).Get("http://pipe/")
				require.NoError(t, err)
				time.Sleep(2 * limit) // longer than an attempt may take
				require.Len(t, text(t, resp), 512<<10)
				require.Equal(t, 2, n)
			})
		})
	}
}

func TestClient_ExhaustedBudgetReturnsLastResponse(t *testing.T) {
	s := serve(t, many(1000, 503)...)
	c := client(t, policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{} }))
	for range 100 {
		resp, err := c.Get(s.URL)
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		require.Equal(t, "Service Unavailable", text(t, resp))
		stopped, ok := httpx.ReportFrom(resp.Request.Context())
		require.True(t, ok)
		if stopped.Reason == retry.ReasonBudget {
			return
		}
	}
	t.Fatal("the budget never ran out")
}
