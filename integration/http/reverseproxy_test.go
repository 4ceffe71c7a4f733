package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

// chain is a client, a ReverseProxy and a backend that counts what it is sent.
type chain struct {
	URL    string
	client *http.Client
	served atomic.Int32
}

// proxyModes are the transports of the ReverseProxy that are compared. The first is net/http
// alone.
var proxyModes = []string{"bare", "evenkeel"}

// newChain starts a chain of servers; serve is told which request of the proxy this is, from 1.
// The backend is behind httpx.Handler where the proxy sends through httpx.Transport.
func newChain(t *testing.T, mode string, serve func(w http.ResponseWriter, r *http.Request, n int32)) *chain {
	t.Helper()
	c := &chain{}
	base, under := &http.Transport{}, &http.Transport{}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, c.served.Add(1)) })
	var rt http.RoundTripper = base
	if mode == "evenkeel" {
		h, rt = httpx.Handler(h), httpx.NewTransport(base, retry.Must(retry.New(quick())))
	}
	backend := httptest.NewServer(h)
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: rt,
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	c.URL, c.client = proxy.URL, &http.Client{Transport: under}
	t.Cleanup(func() {
		under.CloseIdleConnections()
		proxy.Close()
		base.CloseIdleConnections()
		backend.Close()
	})
	return c
}

// get sends a request to the proxy, for as long as what hangs is given.
func (c *chain) get(t *testing.T, method, body string) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.URL, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, string(got), err
}

// eachProxy runs f with each kind of transport.
func eachProxy(t *testing.T, f func(t *testing.T, mode string)) {
	for _, mode := range proxyModes {
		t.Run(mode, func(t *testing.T) {
			defer leak.Check(t)()
			t.Run("x", func(t *testing.T) { f(t, mode) }) // its Cleanups come before the Check
		})
	}
}

// Trailers reach the client, those that were announced and those that were not, also of an answer
// to a resend.
func TestReverseProxy_Trailers(t *testing.T) {
	eachProxy(t, func(t *testing.T, mode string) {
		c := newChain(t, mode, func(w http.ResponseWriter, _ *http.Request, n int32) {
			if n == 1 && mode == "evenkeel" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Trailer", "Announced")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("Announced", "a")
			w.Header().Set(http.TrailerPrefix+"Surprise", "s")
		})
		resp, body, err := c.get(t, http.MethodGet, "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "body", body)
		require.Equal(t, http.Header{"Announced": {"a"}, "Surprise": {"s"}}, resp.Trailer)
		require.Equal(t, map[string]int32{"bare": 1, "evenkeel": 2}[mode], c.served.Load())
	})
}

// A 103 reaches the client before the answer does, and the 103 of an attempt that is repeated
// comes twice.
func TestReverseProxy_EarlyHints(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("first_attempt_fails=%v", fails), func(t *testing.T) {
			eachProxy(t, func(t *testing.T, mode string) {
				hinted := make(chan struct{}, 2)
				c := newChain(t, mode, func(w http.ResponseWriter, r *http.Request, n int32) {
					w.Header().Set("Link", "</style.css>; rel=preload")
					w.WriteHeader(http.StatusEarlyHints)
					select {
					case <-hinted:
					case <-r.Context().Done():
					}
					if n == 1 && fails {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					_, _ = io.WriteString(w, "body")
				})
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				hints := 0
				req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
					Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
						if code == http.StatusEarlyHints && header.Get("Link") != "" {
							hints++
							hinted <- struct{}{}
						}
						return nil
					},
				}), http.MethodGet, c.URL, nil)
				require.NoError(t, err)
				resp, err := c.client.Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				want, status := 1, http.StatusOK
				if fails && mode == "bare" {
					status = http.StatusServiceUnavailable
				} else if fails {
					want = 2
				}
				require.Equal(t, status, resp.StatusCode)
				require.Equal(t, want, hints)
				require.EqualValues(t, want, c.served.Load())
			})
		})
	}
}

// Each event reaches the client while the backend is still at work, and the backend hears of a
// client that has gone.
func TestReverseProxy_ServerSentEvents(t *testing.T) {
	eachProxy(t, func(t *testing.T, mode string) {
		next, gone := make(chan struct{}), make(chan struct{})
		c := newChain(t, mode, func(w http.ResponseWriter, r *http.Request, _ int32) {
			defer close(gone)
			w.Header().Set("Content-Type", "text/event-stream")
			for i := 0; ; i++ {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
		require.NoError(t, err)
		resp, err := c.client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewReader(resp.Body)
		for i := range 3 {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
			_, err = lines.Discard(1)
			require.NoError(t, err)
			next <- struct{}{}
		}
		cancel()
		<-gone
		require.EqualValues(t, 1, c.served.Load())
	})
}

// An upgraded connection goes both ways through the proxy, and ends at one side when it ends at
// the other.
func TestReverseProxy_Upgrade(t *testing.T) {
	eachProxy(t, func(t *testing.T, mode string) {
		ended := make(chan error, 1)
		c := newChain(t, mode, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 && mode == "evenkeel" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				ended <- err
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+
				"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, err = io.Copy(conn, rw)
			ended <- err
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL, nil)
		require.NoError(t, err)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.client.Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		conn, ok := resp.Body.(io.ReadWriteCloser)
		require.True(t, ok)
		for _, m := range []string{"ping", "pong"} {
			_, err = io.WriteString(conn, m)
			require.NoError(t, err)
			back := make([]byte, len(m))
			_, err = io.ReadFull(conn, back)
			require.NoError(t, err)
			require.Equal(t, m, string(back))
		}
		require.NoError(t, conn.Close())
		require.NoError(t, <-ended)
		require.Equal(t, map[string]int32{"bare": 1, "evenkeel": 2}[mode], c.served.Load())
	})
}

// The client goes away while the backend is silent: the backend hears of it, and the request is
// not sent again.
func TestReverseProxy_ClientGone(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			eachProxy(t, func(t *testing.T, mode string) {
				arrived, gone := make(chan struct{}), make(chan struct{})
				c := newChain(t, mode, func(_ http.ResponseWriter, r *http.Request, _ int32) {
					_, _ = io.Copy(io.Discard, r.Body) // a server looks at the connection once the body is read
					close(arrived)
					<-r.Context().Done()
					close(gone)
				})
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-arrived
					cancel()
				}()
				req, err := http.NewRequestWithContext(ctx, method, c.URL, strings.NewReader("body"))
				require.NoError(t, err)
				_, err = c.client.Do(req)
				require.ErrorIs(t, err, context.Canceled)
				<-gone
				require.EqualValues(t, 1, c.served.Load())
			})
		})
	}
}

// The client sends half of its body and goes away: the proxy's request ends although its body
// blocks in Read.
func TestReverseProxy_ClientGoneDuringUpload(t *testing.T) {
	eachProxy(t, func(t *testing.T, mode string) {
		arrived, gone := make(chan struct{}), make(chan struct{})
		c := newChain(t, mode, func(_ http.ResponseWriter, r *http.Request, _ int32) {
			_, _ = io.ReadFull(r.Body, make([]byte, 5))
			close(arrived)
			_, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				t.Error("the backend took half a body for a whole one")
			}
			close(gone)
		})
		client, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		require.NoError(t, err)
		_, _ = io.WriteString(client, "PUT / HTTP/1.1\r\nHost: backend\r\nContent-Length: 1000000\r\n\r\n")
		_, _ = client.Write(make([]byte, 64<<10)) // more than the proxy's buffers hold
		<-arrived
		require.NoError(t, client.Close())
		<-gone
		require.EqualValues(t, 1, c.served.Load())
	})
}

// What the backend says at first, what it says then, and what the client has of it. A
// ReverseProxy's requests with a body have no GetBody, so that they are sent once without
// WithBodyBuffer.
func TestReverseProxy_FirstAttemptFails(t *testing.T) {
	busy := func(w http.ResponseWriter) {
		w.Header().Set("X-Who", "backend")
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for name, test := range map[string]struct {
		fail         func(http.ResponseWriter)
		method, body string
		bare         int
		again        bool
	}{
		"503/GET":   {busy, http.MethodGet, "", 503, true},
		"503/PUT":   {busy, http.MethodPut, "body", 503, false},
		"503/POST":  {busy, http.MethodPost, "body", 503, false},
		"reset/GET": {abort, http.MethodGet, "", 502, true},
		"reset/PUT": {abort, http.MethodPut, "body", 502, false},
	} {
		t.Run(name, func(t *testing.T) {
			eachProxy(t, func(t *testing.T, mode string) {
				c := newChain(t, mode, func(w http.ResponseWriter, r *http.Request, n int32) {
					_, _ = io.Copy(io.Discard, r.Body)
					if n == 1 {
						test.fail(w)
						return
					}
					_, _ = io.WriteString(w, "answer")
				})
				resp, body, err := c.get(t, test.method, test.body)
				require.NoError(t, err)
				if test.again && mode == "evenkeel" {
					require.Equal(t, "answer", body)
					require.EqualValues(t, 2, c.served.Load())
					return
				}
				require.Equal(t, test.bare, resp.StatusCode)
				if test.bare == 503 {
					require.Equal(t, "busy\n", body)
					require.Equal(t, "backend", resp.Header.Get("X-Who"))
				}
				require.EqualValues(t, 1, c.served.Load())
			})
		})
	}
}

// The backend breaks off in the middle of an answer: so does the proxy, and nothing is sent
// again.
func TestReverseProxy_AnswerBreaksOff(t *testing.T) {
	eachProxy(t, func(t *testing.T, mode string) {
		c := newChain(t, mode, func(w http.ResponseWriter, _ *http.Request, _ int32) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		resp, body, err := c.get(t, http.MethodGet, "")
		require.Error(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "half", body)
		require.EqualValues(t, 1, c.served.Load())
	})
}
