package httpx_test

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
)

// TestDrain_StalledGzipBodyDoesNotStallRetry stalls before and behind the gzip header:
// net/http decompresses as the body is read.
func TestDrain_StalledGzipBodyDoesNotStallRetry(t *testing.T) {
	for name, begin := range map[string]func(io.Writer){
		"before its header": func(io.Writer) {},
		"behind its header": func(w io.Writer) { z := gzip.NewWriter(w); _, _ = z.Write([]byte("busy")); _ = z.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipeClient(t, onceBusy(http.Header{"Content-Encoding": {"gzip"}}, func(w http.ResponseWriter, r *http.Request) {
					begin(w)
					stalled(w, r)
				}), policy(t, nil))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				resp, err := c.Do(get(t, ctx, "http://pipe/"))
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				text(t, resp)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
			})
		})
	}
}

// TestDrain_StalledGzipBodyLeavesNothing has bodies stall whose context never ends. The
// test's bubble fails if a goroutine is left, ours or a connection's.
func TestDrain_StalledGzipBodyLeavesNothing(t *testing.T) {
	wrapped := func(base http.RoundTripper) http.RoundTripper { return roundTripFunc(base.RoundTrip) }
	for proto, protocols := range map[string][]*http.Protocols{"h1": nil, "h2": {unencryptedHTTP2()}} {
		for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
			"bare": func(base http.RoundTripper) http.RoundTripper { return base }, "wrapped": wrapped,
		} {
			for way, p := range policies(t) {
				if way == "never" { // the answer is the caller's
					continue
				}
				for _, method := range []string{http.MethodGet, http.MethodPut} {
					t.Run(proto+"/"+name+"/"+way+"/"+method, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var stalling atomic.Int32
							base := pipeServer(t, onceBusy(http.Header{"Content-Encoding": {"gzip"}}, func(w http.ResponseWriter, r *http.Request) {
								stalling.Add(1)
								defer stalling.Add(-1)
								stalled(w, r)
							}), protocols...)
							req := request(t, method, "http://pipe/", nil)
							if method == http.MethodPut {
								req = request(t, method, "http://pipe/", stream("body"))
							}
							rt := httpx.NewTransport(wrap(base), p, httpx.WithBodyBuffer(100))
							resp, err := rt.RoundTrip(req.WithContext(context.Background()))
							require.NoError(t, err)
							require.Equal(t, 200, resp.StatusCode)
							text(t, resp)
							synctest.Wait()
							require.Zero(t, stalling.Load(), "the server still has somebody to answer")
						})
					})
				}
			}
		}
	}
}

func TestDrain_Compressed503ReusesConnection(t *testing.T) {
	var sent, dialled atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		if sent.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 10_000))
		_ = z.Close()
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	resp, err := client(t, policy(t, nil)).Get(s.URL)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, text(t, resp), 10_000)
	require.EqualValues(t, 1, dialled.Load())
}

// trickle is a body that never ends, a byte in ten milliseconds, whatever Close says.
type trickle struct{ closed atomic.Int32 }

func (b *trickle) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	p[0] = '.'
	return 1, nil
}

func (b *trickle) Close() error {
	b.closed.Add(1)
	return nil
}

func TestDrain_BodyReadAfterCloseDoesNotStallRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body trickle
		rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Retry-Attempt") == "" {
				return &http.Response{StatusCode: 503, Body: &body}, nil
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}), policy(t, nil))
		start := time.Now()
		resp, err := rt.RoundTrip(get(t, t.Context(), "http://h/"))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Less(t, time.Since(start), 150*time.Millisecond)
		require.EqualValues(t, 1, body.closed.Load())
	})
}

// counting is a body that says how much was read of it.
type counting struct {
	io.Reader
	read int
}

func (b *counting) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *counting) Close() error { return nil }

func TestDrain_IsBounded(t *testing.T) {
	body := &counting{Reader: endless{}}
	rt := httpx.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("X-Retry-Attempt") == "" {
			return &http.Response{StatusCode: 503, Body: body}, nil
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	}), policy(t, nil))
	_, err := rt.RoundTrip(get(t, t.Context(), "http://h/"))
	require.NoError(t, err)
	require.LessOrEqual(t, body.read, 64<<10+1)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDrain_Two503ReuseConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &answers{codes: []int{503, 503}}
		var dialled atomic.Int32
		req := request(t, http.MethodGet, "http://pipe/", nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) {
				if !i.Reused {
					dialled.Add(1)
				}
			},
		}))
		resp, err := pipeClient(t, s.handle, policy(t, nil)).Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "OK", text(t, resp))
		require.Equal(t, 3, s.count())
		require.EqualValues(t, 1, dialled.Load())
		require.Equal(t, []string{"", "2", "3"}, []string{
			s.Seen[0].Header.Get("X-Retry-Attempt"), s.Seen[1].Header.Get("X-Retry-Attempt"), s.Seen[2].Header.Get("X-Retry-Attempt"),
		})
	})
}

func TestDrain_EndlessBodyDoesNotStallRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, onceBusy(nil, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}), policy(t, nil))
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.LessOrEqual(t, time.Since(start), 200*time.Millisecond)
	})
}

func TestDrain_StalledBodyDoesNotStallRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, onceBusy(http.Header{"Content-Length": {"10"}}, stalled), policy(t, nil))
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		text(t, resp)
		require.LessOrEqual(t, time.Since(start), 200*time.Millisecond)
	})
}

// A drain runs on a goroutine of its own where it may have to be left behind. Nobody could recover
// a panic there.
func TestDrain_PanicOfBodyReachesCaller(t *testing.T) {
	for name, shape := range map[string]func(*http.Response){
		"HTTP/2":     func(r *http.Response) { r.ProtoMajor = 2 },
		"compressed": func(r *http.Response) { r.ProtoMajor, r.Uncompressed = 1, true },
	} {
		busy := base(func(r *http.Request) (*http.Response, error) {
			resp := reply(503, new(panicking))
			shape(resp)
			return resp, readAll(r)
		})
		tr := httpx.NewTransport(busy, policy(t, nil), httpx.WithBodyBuffer(10), httpx.WithBodyPeek(503))
		req := request(t, http.MethodPut, "http://h/", io.MultiReader(strings.NewReader("abc")))
		require.PanicsWithValue(t, "odd body", func() { _, _ = tr.RoundTrip(req) }, name)
	}
}
