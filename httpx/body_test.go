package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// closer counts how often it is closed.
type closer struct {
	io.Reader
	closed *atomic.Int32
}

func (c closer) Close() error {
	c.closed.Add(1)
	return nil
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	require.NoError(t, err)
	return req
}

func TestBody_OriginalFirstAndAllClosed(t *testing.T) {
	s := serve(t, 503, 503)
	var original, copies, made atomic.Int32
	req := request(t, http.MethodPut, s.URL, closer{strings.NewReader("pay 5"), &original})
	req.ContentLength = 5
	req.GetBody = func() (io.ReadCloser, error) {
		made.Add(1)
		return closer{strings.NewReader("pay 5"), &copies}, nil
	}
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	require.Equal(t, "OK", text(t, resp))
	require.Equal(t, []string{"pay 5", "pay 5", "pay 5"}, s.Bodies)
	require.EqualValues(t, 1, original.Load())
	require.EqualValues(t, 2, made.Load())
	require.EqualValues(t, 2, copies.Load())
	for _, r := range s.Seen {
		require.EqualValues(t, 5, r.ContentLength)
	}
}

func TestBody_GetBodyErrorEndsCall(t *testing.T) {
	s := serve(t, 503, 503, 503)
	gone := errors.New("file is gone")
	req := request(t, http.MethodPut, s.URL, strings.NewReader("pay 5"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	_, err := client(t, policy(t, nil)).Do(req)
	require.ErrorIs(t, err, gone)
	require.Equal(t, 1, s.count())
	stopped, ok := errors.AsType[*retry.Error](err)
	require.True(t, ok)
	require.Equal(t, retry.ReasonRejected, stopped.Reason)
}

func TestBody_WithoutGetBodySentOnce(t *testing.T) {
	t.Run("response", func(t *testing.T) {
		s := serve(t, 503)
		resp, err := client(t, policy(t, nil)).Do(request(t, http.MethodPut, s.URL, io.MultiReader(strings.NewReader("pay 5"))))
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		require.Equal(t, "Service Unavailable", text(t, resp))
		require.Equal(t, 1, s.count())
		stopped, ok := httpx.ReportFrom(resp.Request.Context())
		require.True(t, ok)
		require.Equal(t, retry.ReasonNotReplayable, stopped.Reason)
	})
	t.Run("error", func(t *testing.T) {
		down := errors.New("link down")
		sent := 0
		c := http.Client{Transport: httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			sent++
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			return nil, down
		}), policy(t, nil))}
		_, err := c.Do(request(t, http.MethodPut, "http://host/", io.MultiReader(strings.NewReader("pay 5"))))
		require.ErrorIs(t, err, down)
		require.Equal(t, 1, sent)
	})
}

func TestBody_UnreadIsReplayableWithoutGetBody(t *testing.T) {
	s := serve(t)
	var closed atomic.Int32
	sent := 0
	c := http.Client{Transport: httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if sent++; sent == 1 {
			r.Body.Close()
			return nil, refusedDial()
		}
		return http.DefaultTransport.RoundTrip(r)
	}), policy(t, nil))}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	resp, err := c.Do(request(t, http.MethodPost, s.URL, closer{strings.NewReader("pay 5"), &closed}))
	require.NoError(t, err)
	require.Equal(t, "OK", text(t, resp))
	require.Equal(t, []string{"pay 5"}, s.Bodies)
	require.EqualValues(t, 1, closed.Load())
}

func TestBody_BufferedReplayUpToLimit(t *testing.T) {
	for _, test := range []struct {
		name     string
		size     int
		attempts int
	}{{"below", 1 << 10, 3}, {"at the limit", 64 << 10, 3}, {"above", 64<<10 + 1, 1}, {"far above", 8 << 20, 1}} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, 503, 503)
			var closed atomic.Int32
			body := bytes.Repeat([]byte("x"), test.size)
			req := request(t, http.MethodPut, s.URL, closer{bytes.NewReader(body), &closed})
			resp, err := client(t, policy(t, nil), httpx.WithBodyBuffer(64<<10)).Do(req)
			require.NoError(t, err)
			text(t, resp)
			require.Equal(t, test.attempts, s.count())
			for _, seen := range s.Bodies {
				require.Len(t, seen, test.size)
			}
			require.EqualValues(t, 1, closed.Load())
		})
	}
}

// early answers before it has read the request, and then reads what comes.
func early(codes ...int) (http.HandlerFunc, func() []string) {
	var mu sync.Mutex
	var bodies []string
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		code := http.StatusOK
		if n < len(codes) {
			code = codes[n]
		}
		n++
		mu.Unlock()
		_ = http.NewResponseController(w).EnableFullDuplex()
		if code != http.StatusOK {
			w.WriteHeader(code)
			_ = http.NewResponseController(w).Flush()
			return
		}
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies = append(bodies, string(body))
		mu.Unlock()
	}, func() []string { mu.Lock(); defer mu.Unlock(); return bodies }
}

func TestBody_ResponseDuringUploadThenRetry(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB, more than the sockets hold
	path := filepath.Join(t.TempDir(), "upload")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	open := func() *os.File {
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	bodies := map[string]func(*http.Request){
		"memory": func(r *http.Request) { *r = *request(t, http.MethodPut, r.URL.String(), bytes.NewReader(content)) },
		"a file rewound by GetBody": func(r *http.Request) {
			f := open()
			r.Body = io.NopCloser(f)
			r.GetBody = func() (io.ReadCloser, error) {
				_, err := f.Seek(0, io.SeekStart)
				return io.NopCloser(f), err
			}
		},
		"buffered": func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(content))) },
	}
	for name, set := range bodies {
		for _, h2 := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " h1", true: " h2"}[h2], func(t *testing.T) {
				handler, seen := early(503, 503)
				s := httptest.NewUnstartedServer(handler)
				s.EnableHTTP2 = h2
				s.StartTLS()
				defer s.Close()
				c := s.Client()
				// A server that stops reading may reset the connection before its answer is read:
				// more attempts.
				p := policy(t, func(c *retry.Config) { c.MaxAttempts, c.Budget = 10, budget.Unlimited{} })
				c.Transport = httpx.NewTransport(c.Transport, p, httpx.WithBodyBuffer(4<<20))
				req := request(t, http.MethodPut, s.URL, nil)
				set(req)
				resp, err := c.Do(req)
				require.NoError(t, err)
				text(t, resp)
				require.Equal(t, 200, resp.StatusCode)
				require.Len(t, seen(), 1)
				require.Equal(t, len(content), len(seen()[0]))
				require.True(t, string(content) == seen()[0], "the bytes differ")
			})
		}
	}
}

func TestBody_ReadErrorNotRetried(t *testing.T) {
	s := serve(t)
	broken := errors.New("disk error")
	for _, get := range []func() (io.ReadCloser, error){
		nil, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil },
	} {
		req := request(t, http.MethodPut, s.URL, io.MultiReader(strings.NewReader("half"), failing{broken}))
		req.GetBody = get
		sent := 0
		base := &http.Transport{}
		c := http.Client{Transport: httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
			sent++
			return base.RoundTrip(r)
		}), policy(t, nil), httpx.WithBodyBuffer(1<<10))}
		_, err := c.Do(req)
		require.ErrorContains(t, err, "disk error")
		require.Equal(t, 1, sent)
		base.CloseIdleConnections()
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestBody_CloseErrorNotRetried has a body whose Close fails, as that of a reader that verifies
// what was read may.
func TestBody_CloseErrorNotRetried(t *testing.T) {
	corrupt := errors.New("corrupt")
	for name, test := range map[string]struct {
		buffer, read int
		getBody      bool
	}{
		"nothing is kept":     {0, 1, false},
		"read past the limit": {2, 4, false},
		"read to its end":     {10, 10, false},
		"with GetBody":        {0, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			sent, closed := 0, new(atomic.Int32)
			closing := base(func(req *http.Request) (*http.Response, error) {
				sent++
				_, _ = io.ReadAll(io.LimitReader(req.Body, int64(test.read)))
				err := req.Body.Close()
				require.Equal(t, corrupt, err)
				require.EqualValues(t, 1, closed.Load(), "no later than without a Transport")
				return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
			})
			body := corruptBody{strings.NewReader("pay 5"), closed, corrupt}
			tr := httpx.NewTransport(closing, policy(t, nil), httpx.WithBodyBuffer(test.buffer))
			req := request(t, http.MethodPut, "http://h/", body)
			if test.getBody {
				req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("pay 5")), nil }
			}
			_, err := tr.RoundTrip(req)
			require.ErrorIs(t, err, corrupt)
			require.Equal(t, 1, sent, "the body is not what it should be")
			require.EqualValues(t, 1, closed.Load())
		})
	}
}

// corruptBody counts Closes, which return err.
type corruptBody struct {
	io.Reader
	closed *atomic.Int32
	err    error
}

func (b corruptBody) Close() error { b.closed.Add(1); return b.err }

func TestBody_RequestUnchangedAfterCall(t *testing.T) {
	s := serve(t, 503, 503)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := request(t, http.MethodPost, s.URL, strings.NewReader("pay 5")).WithContext(ctx)
	req.Header.Set("X-Mine", "1")
	req.Trailer = http.Header{"X-Sum": {"2"}}
	before, header, trailer := *req, req.Header.Clone(), req.Trailer.Clone()
	tr := httpx.NewTransport(nil, policy(t, nil), httpx.WithIdempotencyKey())
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, 3, s.count())
	require.Equal(t, header, req.Header)
	require.Equal(t, trailer, req.Trailer)
	require.True(t, before.Body == req.Body && before.URL == req.URL && before.Context() == req.Context())
	require.Equal(t, before.ContentLength, req.ContentLength)
}

func TestBody_NoBodyAndNilAreReplayed(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		s := serve(t, 503, 500)
		req := request(t, http.MethodPut, s.URL, nil)
		req.Body = body
		resp, err := client(t, policy(t, nil)).Do(req)
		require.NoError(t, err)
		require.Equal(t, "OK", text(t, resp))
		require.Equal(t, 3, s.count())
		require.Zero(t, s.Seen[2].ContentLength)
	}
}

func TestBody_ClosedIfNothingSent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, opts := range map[string][]httpx.Option{"plain": nil, "buffered": {httpx.WithBodyBuffer(10)}} {
		for _, attempts := range []int{1, 3} {
			var closed atomic.Int32
			p := policy(t, func(c *retry.Config) { c.MaxAttempts = attempts }, retry.WithObserver(new(recorder)))
			req := request(t, http.MethodPut, "http://localhost/", closer{strings.NewReader("x"), &closed})
			_, err := httpx.NewTransport(nil, p, opts...).RoundTrip(req.WithContext(ctx))
			require.Equal(t, context.Canceled, err, name)
			require.EqualValues(t, 1, closed.Load(), name)
		}
	}
}

// recorder is an observer that remembers.
type recorder struct {
	mu       sync.Mutex
	attempts []retry.Attempt
	calls    []retry.Report
}

func (r *recorder) AttemptDone(_ context.Context, a retry.Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, a)
}

func (r *recorder) CallDone(_ context.Context, c retry.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

func TestBody_EndedAttemptReadsNoMore(t *testing.T) {
	const content = "pay 5 and not a byte less"
	shared := strings.NewReader(content)
	rewind := func() (io.ReadCloser, error) {
		_, err := shared.Seek(0, io.SeekStart)
		return io.NopCloser(shared), err
	}
	for name, set := range map[string]func(*http.Request){
		"a reader rewound by GetBody": func(r *http.Request) { r.Body, _ = rewind(); r.GetBody = rewind },
		"buffered":                    func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader(content))) },
	} {
		for way, p := range policies(t) {
			if way == "never" || way == "hedged" { // side by side, GetBody's copies have to be independent
				continue
			}
			var old io.Reader
			var got []byte
			laggard := roundTripFunc(func(r *http.Request) (*http.Response, error) {
				if old == nil { // answers at once, and goes on uploading: RoundTrippers may
					old = r.Body
					_, _ = io.ReadFull(r.Body, make([]byte, 3))
					return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
				}
				n, err := old.Read(make([]byte, 3))
				require.Zero(t, n)
				require.ErrorContains(t, err, "is over")
				got, _ = io.ReadAll(r.Body)
				r.Body.Close()
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			})
			req := request(t, http.MethodPut, "http://h/", nil)
			set(req)
			resp, err := httpx.NewTransport(laggard, p, httpx.WithBodyBuffer(100)).RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, content, string(got), "%s, %s", name, way)
		}
	}
}
