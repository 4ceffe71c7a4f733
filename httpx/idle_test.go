package httpx_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const idle = 10 * time.Second

// stall writes text after a header with the given type, and no more until the client has gone.
func stall(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = io.WriteString(w, text)
		stalled(w, r)
	}
}

func TestBodyIdleTimeout_EndsStalledBody(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		text    string
	}{
		"after its header": {stall("", ""), ""},
		"after a part":     {stall("", "half"), "half"},
		"of gzip, before its header": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			stalled(w, r)
		}, ""},
		"of gzip, after a part": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "half")
			_ = z.Flush()
			stalled(w, r)
		}, "half"},
		"of a known length": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			stall("", "half")(w, r)
		}, "half"},
	} {
		for policy, p := range policies(t) {
			t.Run(name+" "+policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent := testkit.NewParent()
					client := pipeClient(t, c.handler, p, httpx.WithBodyIdleTimeout(idle))
					resp, err := client.Do(request(t, http.MethodGet, "http://pipe/", nil).WithContext(parent))
					require.NoError(t, err)
					start := time.Now()
					got, err := io.ReadAll(resp.Body)
					require.Equal(t, c.text, string(got))
					require.Equal(t, idle, time.Since(start))
					require.EqualError(t, err, "i/o timeout (evenkeel: body idle timeout of 10s)")
					var timedOut net.Error
					require.ErrorAs(t, err, &timedOut)
					require.True(t, timedOut.Timeout())
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					_, again := resp.Body.Read(make([]byte, 1))
					require.Equal(t, err, again)
					require.NoError(t, resp.Body.Close())
					synctest.Wait()
					require.Zero(t, parent.Registered(), "nothing is left on the caller's context")
				})
			})
		}
	}
}

func TestBodyIdleTimeout_IgnoresSlowOrUnreadBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 20 {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(idle - time.Millisecond)
			}
		}, p, httpx.WithBodyIdleTimeout(idle))
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		time.Sleep(time.Hour) // the caller has other things to do
		require.Equal(t, strings.Repeat("x", 20), text(t, resp))
	})
}

func TestBodyIdleTimeout_EventStreamsOnlyIfNamed(t *testing.T) {
	for name, c := range map[string]struct {
		kind    string
		streams []string
		ends    bool
	}{
		"an event stream":            {"text/event-stream; charset=utf-8", nil, false},
		"an event stream, named":     {"Text/Event-Stream", []string{"text/event-stream"}, true},
		"a stream of pictures":       {"multipart/x-mixed-replace;boundary=b", []string{"text/event-stream"}, false},
		"both named":                 {"multipart/x-mixed-replace; boundary=b", []string{"text/event-stream", "multipart/x-mixed-replace"}, true},
		"a type with bad parameters": {"text/event-stream; =", nil, false},
		"text":                       {"text/plain", nil, true},
		"no type at all":             {";;", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				client := pipeClient(t, stall(c.kind, "data: 1\n\n"), policy(t, nil), httpx.WithBodyIdleTimeout(idle, c.streams...))
				start := time.Now()
				resp, err := client.Do(request(t, http.MethodGet, "http://pipe/", nil).WithContext(ctx))
				require.NoError(t, err)
				_, err = io.ReadAll(resp.Body)
				require.Equal(t, c.ends, errors.Is(err, os.ErrDeadlineExceeded) && time.Since(start) == idle, "%v", err)
				require.Equal(t, !c.ends, time.Since(start) == time.Hour)
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

func TestBodyIdleTimeout_IgnoresUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(w http.ResponseWriter, _ *http.Request) { switchToEcho(w) }, policy(t, nil),
			httpx.WithBodyIdleTimeout(idle))
		req := request(t, http.MethodGet, "http://pipe/", nil)
		req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
		resp, err := c.Transport.RoundTrip(req)
		require.NoError(t, err)
		conn, ok := resp.Body.(io.ReadWriteCloser)
		require.True(t, ok)
		time.Sleep(2 * idle)
		go func() {
			time.Sleep(2 * idle)
			_, _ = io.WriteString(conn, "hello\n")
		}()
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "hello\n", line)
		require.NoError(t, conn.Close())
	})
}

func TestBodyIdleTimeout_OverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := &http.Server{Handler: stall("", "half"), Protocols: unencryptedHTTP2()}
		go func() { _ = s.Serve(l) }()
		base := &http.Transport{DialContext: l.dial, Protocols: unencryptedHTTP2()}
		defer func() { base.CloseIdleConnections(); _ = s.Close() }()
		c := &http.Client{Transport: httpx.NewTransport(base, policy(t, nil), httpx.WithBodyIdleTimeout(idle))}
		start := time.Now()
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		require.Equal(t, 2, resp.ProtoMajor)
		got, err := io.ReadAll(resp.Body)
		require.Equal(t, "half", string(got))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, idle, time.Since(start))
		require.NoError(t, resp.Body.Close())
	})
}

// A Close beside a Read ends it, whichever of them and of the timer is first.
func TestBodyIdleTimeout_CloseDuringRead(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, idle - 1, idle, idle + 1} {
		synctest.Test(t, func(t *testing.T) {
			c := pipeClient(t, stall("", ""), policy(t, nil), httpx.WithBodyIdleTimeout(idle))
			resp, err := c.Get("http://pipe/")
			require.NoError(t, err)
			start := time.Now()
			var closing sync.WaitGroup
			closing.Go(func() {
				time.Sleep(after)
				_ = resp.Body.Close()
			})
			_, err = io.ReadAll(resp.Body)
			require.Error(t, err)
			require.Equal(t, min(after, idle), time.Since(start))
			require.NoError(t, resp.Body.Close())
			closing.Wait()
		})
	}
}

// slowClosing is a body of a base that heeds no context, only Close.
type slowClosing struct {
	closed chan struct{}
	n      atomic.Int32
}

func (b *slowClosing) Read([]byte) (int, error) { <-b.closed; return 0, net.ErrClosed }

func (b *slowClosing) Close() error {
	if b.n.Add(1) == 1 {
		close(b.closed)
	}
	return nil
}

func TestBodyIdleTimeout_BaseIgnoringContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &slowClosing{closed: make(chan struct{})}
		tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) { return reply(200, body), nil }),
			policy(t, nil), httpx.WithBodyIdleTimeout(idle))
		resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil))
		require.NoError(t, err)
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, resp.Body.Close())
		require.EqualValues(t, 1, body.n.Load(), "closed once")
	})
}

func TestBodyIdleTimeout_DoesNotDelayRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := testkit.NewParent()
		c := pipeClient(t, onceBusy(http.Header{}, stalled), policy(t, nil), httpx.WithBodyIdleTimeout(idle))
		start := time.Now()
		resp, err := c.Do(request(t, http.MethodGet, "http://pipe/", nil).WithContext(parent))
		require.NoError(t, err)
		require.Empty(t, text(t, resp))
		require.Less(t, time.Since(start), time.Second)
		require.Zero(t, parent.Registered())

		for _, leave := range []func() error{func() error { return testkit.ErrDown }, func() error { panic("boom") }} {
			tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) { return nil, leave() }),
				policy(t, nil), httpx.WithBodyIdleTimeout(idle))
			func() {
				defer func() { _ = recover() }()
				_, err = tr.RoundTrip(request(t, http.MethodGet, "http://h/", nil).WithContext(parent))
				require.ErrorIs(t, err, testkit.ErrDown)
			}()
			require.Zero(t, parent.Registered())
		}
	})
}

// The contexts that a look at the body and an idle timeout add to an attempt end with it, also if
// there is no body that could end them.
func TestBodyIdleTimeout_WithPeekLeavesNoContext(t *testing.T) {
	for name, answer := range map[string]func() (*http.Response, error){
		"panic": func() (*http.Response, error) { panic("oops") },
		"error": func() (*http.Response, error) { return nil, errors.New("down") },
		"none":  func() (*http.Response, error) { return reply(204, http.NoBody), nil },
	} {
		t.Run(name, func(t *testing.T) {
			var sent []context.Context
			rt := httpx.NewTransport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Context())
				return answer()
			}), policy(t, nil), httpx.WithBodyPeek(503), httpx.WithBodyIdleTimeout(time.Minute))
			func() {
				defer func() { _ = recover() }()
				if resp, err := rt.RoundTrip(get(t, t.Context(), "http://h/")); err == nil {
					resp.Body.Close()
				}
			}()
			require.NotEmpty(t, sent)
			for _, ctx := range sent {
				require.Error(t, ctx.Err())
			}
		})
	}
}
