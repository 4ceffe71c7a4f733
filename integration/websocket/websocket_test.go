package websocket_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience is how long what hangs is given. No test waits for it.
const patience = 20 * time.Second

// modes are the two sides with and without the library.
var modes = []struct {
	name           string
	client, server bool
}{
	{"bare", false, false},
	{"evenkeel_client", true, false},
	{"evenkeel_server", false, true},
	{"evenkeel_both", true, true},
}

// server answers handshakes by serve, and counts them.
type server struct {
	*httptest.Server
	handshakes atomic.Int32
}

// newServer makes a server whose serve is told which handshake this is, from 1.
func newServer(t *testing.T, evenkeel bool, serve func(w http.ResponseWriter, r *http.Request, n int32)) *server {
	t.Helper()
	s := &server{}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, s.handshakes.Add(1))
	})
	if evenkeel {
		h = httpx.Handler(h, httpx.WithMaxTimeout(time.Minute))
	}
	s.Server = httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// dial opens a conversation with a server.
func (s *server) dial(
	ctx context.Context, t *testing.T, evenkeel bool, opts websocket.DialOptions,
) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	opts.HTTPClient = &http.Client{Transport: base}
	if evenkeel {
		wait := backoff.Constant(time.Millisecond)
		opts.HTTPClient.Transport = httpx.NewTransport(base, retry.Must(retry.New(retry.Config{
			Backoff: wait, ThrottledBackoff: wait,
			AttemptTimeout: timeout.Fixed(patience), Hedge: timeout.Fixed(time.Millisecond),
		})))
	}
	return websocket.Dial(ctx, s.URL, &opts)
}

// echo accepts, and answers each message with itself, under the request's context.
func echo(w http.ResponseWriter, r *http.Request) error {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{"echo"}, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		return err
	}
	defer c.CloseNow() //nolint:errcheck // what it says is of no use
	c.SetReadLimit(-1)
	for {
		kind, m, err := c.Read(r.Context())
		if err != nil {
			return err
		}
		if err := c.Write(r.Context(), kind, m); err != nil {
			return err
		}
	}
}

// exchange sends a message and requires that it comes back.
func exchange(ctx context.Context, t *testing.T, c *websocket.Conn, m []byte) {
	t.Helper()
	require.NoError(t, c.Write(ctx, websocket.MessageBinary, m))
	_, back, err := c.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, m, back)
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestWebSocket_Conversation(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			ended := make(chan error, 1)
			s := newServer(t, mode.server, func(w http.ResponseWriter, r *http.Request, _ int32) {
				ended <- echo(w, r)
			})
			ctx := patient(t)
			c, resp, err := s.dial(ctx, t, mode.client, websocket.DialOptions{
				Subprotocols: []string{"echo"}, CompressionMode: websocket.CompressionContextTakeover,
			})
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			require.Equal(t, "echo", c.Subprotocol())
			c.SetReadLimit(-1)
			big := make([]byte, 1<<20)
			_, _ = rand.Read(big)
			for _, m := range [][]byte{[]byte("a"), {}, big} {
				exchange(ctx, t, c, m)
			}
			require.NoError(t, c.Close(websocket.StatusNormalClosure, "done"))
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(<-ended))
			require.EqualValues(t, 1, s.handshakes.Load(), "an Upgrade is not hedged")
		})
	}
}

// The dial's context bounds the handshake only: what its deadline says is no word about the
// conversation.
func TestWebSocket_DialsContextEnds(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			bounded, ended := make(chan bool, 1), make(chan error, 1)
			s := newServer(t, mode.server, func(w http.ResponseWriter, r *http.Request, _ int32) {
				_, ok := r.Context().Deadline()
				bounded <- ok
				ended <- echo(w, r)
			})
			dial, cancel := context.WithTimeout(t.Context(), patience)
			c, _, err := s.dial(dial, t, mode.client, websocket.DialOptions{})
			require.NoError(t, err)
			require.False(t, <-bounded, "the server's context has the handshake's deadline")
			cancel()
			exchange(patient(t), t, c, []byte("still here"))
			require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(<-ended))
			require.EqualValues(t, 1, s.handshakes.Load())
		})
	}
}

// A handshake that fails is a request like any other: the client without the library is told, and
// the one with it connects.
func TestWebSocket_FirstHandshakeFails(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"503":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"abort": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		for _, mode := range modes {
			t.Run(name+"/"+mode.name, func(t *testing.T) {
				s := newServer(t, mode.server, func(w http.ResponseWriter, r *http.Request, n int32) {
					if n == 1 {
						fail(w)
						return
					}
					_ = echo(w, r)
				})
				ctx := patient(t)
				c, _, err := s.dial(ctx, t, mode.client, websocket.DialOptions{})
				if !mode.client {
					require.Error(t, err)
					require.EqualValues(t, 1, s.handshakes.Load())
					return
				}
				require.NoError(t, err)
				exchange(ctx, t, c, []byte("a"))
				require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
				require.EqualValues(t, 2, s.handshakes.Load())
			})
		}
	}
}

// A refusal is an answer: the client has the response, its body included, after one handshake.
func TestWebSocket_Refused(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := newServer(t, mode.server, func(w http.ResponseWriter, _ *http.Request, _ int32) {
				http.Error(w, "who are you?", http.StatusForbidden)
			})
			_, resp, err := s.dial(patient(t), t, mode.client, websocket.DialOptions{})
			require.ErrorContains(t, err, "got 403")
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "who are you?\n", string(body))
			require.EqualValues(t, 1, s.handshakes.Load())
		})
	}
}

// Once the conversation has begun, it is nobody's to repeat: each end hears of the other's end,
// and no handshake follows.
func TestWebSocket_OneEndIsGone(t *testing.T) {
	for _, mode := range modes {
		t.Run("client/"+mode.name, func(t *testing.T) {
			ended := make(chan error, 1)
			s := newServer(t, mode.server, func(w http.ResponseWriter, r *http.Request, _ int32) {
				ended <- echo(w, r)
			})
			ctx := patient(t)
			c, _, err := s.dial(ctx, t, mode.client, websocket.DialOptions{})
			require.NoError(t, err)
			exchange(ctx, t, c, []byte("a"))
			require.NoError(t, c.CloseNow())
			require.ErrorIs(t, <-ended, io.EOF)
			require.EqualValues(t, 1, s.handshakes.Load())
		})
		t.Run("server/"+mode.name, func(t *testing.T) {
			s := newServer(t, mode.server, func(w http.ResponseWriter, r *http.Request, _ int32) {
				c, err := websocket.Accept(w, r, nil)
				if err == nil {
					_, _, err = c.Read(r.Context())
					_ = c.CloseNow()
				}
				if err != nil {
					t.Error(err)
				}
			})
			ctx := patient(t)
			c, _, err := s.dial(ctx, t, mode.client, websocket.DialOptions{})
			require.NoError(t, err)
			require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("a")))
			_, _, err = c.Read(ctx)
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, ctx.Err())
			require.EqualValues(t, 1, s.handshakes.Load())
		})
	}
}

// A handshake that the server never answers ends with its context, and the error says so.
func TestWebSocket_DialIsGivenUp(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			arrived := make(chan struct{})
			s := newServer(t, mode.server, func(_ http.ResponseWriter, r *http.Request, _ int32) {
				close(arrived)
				<-r.Context().Done()
			})
			ctx, cancel := context.WithCancelCause(patient(t))
			why := errors.New("page closed")
			go func() {
				<-arrived
				cancel(why)
			}()
			_, _, err := s.dial(ctx, t, mode.client, websocket.DialOptions{})
			require.Error(t, err)
			require.True(t, errors.Is(err, context.Canceled) || errors.Is(err, why), "%v", err)
			require.EqualValues(t, 1, s.handshakes.Load())
		})
	}
}
