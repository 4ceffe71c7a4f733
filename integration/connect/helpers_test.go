package connect_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

type (
	message = wrapperspb.StringValue
	client  = connect.Client[message, message]
)

const (
	unary        = "/echo.v1.Echo/Unary"
	clientStream = "/echo.v1.Echo/ClientStream"
	serverStream = "/echo.v1.Echo/ServerStream"
	bidi         = "/echo.v1.Echo/Bidi"
)

// A stream that hangs fails its test after this long. No test waits for it.
const patience = 5 * time.Second

// wires are the protocols under connect's own.
var wires = map[string]struct {
	protocols http.Protocols
	options   []connect.ClientOption
	bidi      bool
}{
	"HTTP1": {protocols: protocols((*http.Protocols).SetHTTP1)},
	"h2c":   {protocols: protocols((*http.Protocols).SetUnencryptedHTTP2), bidi: true},
	"h2c_gRPC": {
		protocols: protocols((*http.Protocols).SetUnencryptedHTTP2), bidi: true,
		options: []connect.ClientOption{connect.WithGRPC()},
	},
}

func protocols(set func(*http.Protocols, bool)) (p http.Protocols) {
	set(&p, true)
	return p
}

// modes are the transports that are compared. The first is net/http alone.
var modes = []struct {
	name string
	wrap func(http.RoundTripper) http.RoundTripper
}{
	{"bare", func(rt http.RoundTripper) http.RoundTripper { return rt }},
	{"evenkeel", func(rt http.RoundTripper) http.RoundTripper { return httpx.NewTransport(rt, quick(retry.Config{})) }},
	{"evenkeel_once", func(rt http.RoundTripper) http.RoundTripper {
		return httpx.NewTransport(rt, quick(retry.Config{MaxAttempts: 1}))
	}},
	{"evenkeel_body_buffer", func(rt http.RoundTripper) http.RoundTripper {
		return httpx.NewTransport(rt, quick(retry.Config{}), httpx.WithBodyBuffer(1<<20))
	}},
}

// quick makes a policy that waits a millisecond before each retry.
func quick(cfg retry.Config) *retry.Policy {
	cfg.Backoff, cfg.ThrottledBackoff = backoff.Constant(time.Millisecond), backoff.Constant(time.Millisecond)
	return retry.Must(retry.New(cfg))
}

// server is an echo service behind httpx.Handler that counts requests and fails on demand.
type server struct {
	*httptest.Server
	served atomic.Int32
	// during runs in the handler of each call once the first message has arrived, and at once in
	// the handler of a call of one message; attempt counts from 1.
	during func(ctx context.Context, attempt int32) error
	heard  chan struct{} // closed when the client has the first message of a server's stream
	over   chan struct{} // closed when the test ends

	mu    sync.Mutex
	conns []net.Conn
}

func newServer(
	t *testing.T, wire http.Protocols, during func(s *server, ctx context.Context, attempt int32) error,
) *server {
	t.Helper()
	s := &server{heard: make(chan struct{}), over: make(chan struct{})}
	s.during = func(ctx context.Context, attempt int32) error { return during(s, ctx, attempt) }
	mux := http.NewServeMux()
	get := connect.WithIdempotency(connect.IdempotencyNoSideEffects)
	mux.Handle(unary, connect.NewUnaryHandler(unary, s.unary, get))
	mux.Handle(clientStream, connect.NewClientStreamHandler(clientStream, s.clientStream))
	mux.Handle(serverStream, connect.NewServerStreamHandler(serverStream, s.serverStream))
	mux.Handle(bidi, connect.NewBidiStreamHandler(bidi, s.bidi))
	count := httpx.OnAttempt(func(*http.Request, int) { s.served.Add(1) })
	s.Server = httptest.NewUnstartedServer(httpx.Handler(mux, count))
	s.Config.Protocols = &wire
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.conns = append(s.conns, c)
		}
	}
	s.Start()
	t.Cleanup(func() {
		close(s.over)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// client makes a client of one method, over a transport of its own.
func (s *server) client(
	t *testing.T, wire http.Protocols, wrap func(http.RoundTripper) http.RoundTripper, method string,
	opts ...connect.ClientOption,
) *client {
	t.Helper()
	base := &http.Transport{Protocols: &wire}
	t.Cleanup(base.CloseIdleConnections)
	return connect.NewClient[message, message](&http.Client{Transport: wrap(base)}, s.URL+method, opts...)
}

func (s *server) loseConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *server) unary(ctx context.Context, r *connect.Request[message]) (*connect.Response[message], error) {
	if err := s.during(ctx, s.served.Load()); err != nil {
		return nil, err
	}
	return connect.NewResponse(r.Msg), nil
}

func (s *server) clientStream(
	ctx context.Context, in *connect.ClientStream[message],
) (*connect.Response[message], error) {
	sum := ""
	for first := true; in.Receive(); first = false {
		if first {
			if err := s.during(ctx, s.served.Load()); err != nil {
				return nil, err
			}
		}
		sum += in.Msg().Value
	}
	return connect.NewResponse(wrapperspb.String(sum)), in.Err()
}

// serverStream answers with each byte of the request. What it does in between comes once the
// client has the first answer: a lost connection takes with it what the client has not read yet.
func (s *server) serverStream(
	ctx context.Context, r *connect.Request[message], out *connect.ServerStream[message],
) error {
	for i, c := range r.Msg.Value {
		if err := out.Send(wrapperspb.String(string(c))); err != nil {
			return err
		}
		if i == 0 {
			select {
			case <-s.heard:
			case <-s.over:
			}
			if err := s.during(ctx, s.served.Load()); err != nil {
				return err
			}
		}
	}
	return nil
}

// bidi answers each message with itself. What it does in between comes before the first answer.
func (s *server) bidi(ctx context.Context, both *connect.BidiStream[message, message]) error {
	for first := true; ; first = false {
		m, err := both.Receive()
		if err != nil {
			return nil //nolint:nilerr // the client's end of the stream
		}
		if first {
			if err := s.during(ctx, s.served.Load()); err != nil {
				return err
			}
		}
		if err := both.Send(m); err != nil {
			return err
		}
	}
}

// got holds what a client received of a call.
type got struct {
	Messages []string
	Code     connect.Code // 0 for none
}

func newGot(messages []string, err error) got {
	g := got{Messages: messages}
	if err != nil {
		g.Code = connect.CodeOf(err)
	}
	return g
}

// call makes the only call of a server, to a method: a, b and c are sent, one a message where the
// client streams.
func (s *server) call(ctx context.Context, t *testing.T, c *client, method string) got {
	t.Helper()
	switch method {
	case unary:
		resp, err := c.CallUnary(ctx, connect.NewRequest(wrapperspb.String("abc")))
		if err != nil {
			return newGot(nil, err)
		}
		return newGot([]string{resp.Msg.Value}, nil)
	case clientStream:
		return callClientStream(ctx, c)
	case serverStream:
		return callServerStream(ctx, t, c, s.heard)
	default:
		return callBidi(ctx, t, c)
	}
}

func callClientStream(ctx context.Context, c *client) got {
	stream := c.CallClientStream(ctx)
	for _, s := range []string{"a", "b", "c"} {
		if stream.Send(wrapperspb.String(s)) != nil {
			break // CloseAndReceive has the error
		}
	}
	resp, err := stream.CloseAndReceive()
	if err != nil {
		return newGot(nil, err)
	}
	return newGot([]string{resp.Msg.Value}, nil)
}

// callServerStream closes heard when it has the first message.
func callServerStream(ctx context.Context, t *testing.T, c *client, heard chan<- struct{}) got {
	t.Helper()
	stream, err := c.CallServerStream(ctx, connect.NewRequest(wrapperspb.String("abc")))
	if err != nil {
		return newGot(nil, err)
	}
	var messages []string
	for stream.Receive() {
		if messages = append(messages, stream.Msg().Value); len(messages) == 1 {
			close(heard)
		}
	}
	g := newGot(messages, stream.Err())
	_ = stream.Close()
	return g
}

// callBidi waits for the answer to each message before it sends the next, so that the request's
// body is open and silent whenever something goes wrong.
func callBidi(ctx context.Context, t *testing.T, c *client) got {
	t.Helper()
	stream := c.CallBidiStream(ctx)
	defer func() {
		_ = stream.CloseRequest()
		_ = stream.CloseResponse()
	}()
	var messages []string
	for _, s := range []string{"a", "b", "c"} {
		if err := stream.Send(wrapperspb.String(s)); err != nil {
			_, err = stream.Receive()
			return newGot(messages, err)
		}
		m, err := stream.Receive()
		if err != nil {
			return newGot(messages, err)
		}
		messages = append(messages, m.Value)
	}
	require.NoError(t, stream.CloseRequest())
	return newGot(messages, nil)
}

// patient returns a context for a call that must end by itself.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
