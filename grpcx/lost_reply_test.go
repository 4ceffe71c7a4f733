package grpcx_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	envoy    = "upstream connect error or disconnect/reset before headers. reset reason: "
	envoyTwo = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: "
)

// unavailableBy lists ways in which UNAVAILABLE comes about after a request has gone out: whether
// it is the server's own word, and whether the connection that carried the request was lost.
var unavailableBy = map[string]struct {
	react    func(s *wireStream)
	answered bool
	lost     bool
}{
	"the server answers":          {func(s *wireStream) { s.answer("14", "down") }, true, false},
	"it relays a text of gRPC's":  {func(s *wireStream) { s.answer("14", "error reading from server: EOF") }, true, false},
	"it answers after a header":   {func(s *wireStream) { s.header(); s.headers(true, "grpc-status", "14") }, true, false},
	"it answers with metadata":    {func(s *wireStream) { s.header(); s.headers(true, "grpc-status", "14", "k", "v") }, true, false},
	"it answers 503":              {func(s *wireStream) { s.headers(true, ":status", "503") }, true, false},
	"it answers 429":              {func(s *wireStream) { s.headers(true, ":status", "429") }, true, false},
	"Envoy had no connection":     {func(s *wireStream) { s.answer("14", envoy+"connection failure") }, true, false},
	"Envoy was full":              {func(s *wireStream) { s.answer("14", envoy+"overflow") }, true, false},
	"the connection is closed":    {(*wireStream).close, false, true},
	"it is closed after a header": {func(s *wireStream) { s.header("k", "v"); s.close() }, false, true},
	"it is closed after GOAWAY":   {func(s *wireStream) { _ = s.WriteGoAway(s.id, http2.ErrCodeNo, nil); s.close() }, false, true},
	"it is closed for talking much": {func(s *wireStream) {
		_ = s.WriteGoAway(s.id, http2.ErrCodeEnhanceYourCalm, []byte("slow down"))
		s.close()
	}, false, false},
	"it breaks the protocol":       {func(s *wireStream) { _ = s.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, false, true},
	"a gateway lost it, 502":       {func(s *wireStream) { s.headers(true, ":status", "502") }, false, false},
	"a gateway lost patience, 504": {func(s *wireStream) { s.headers(true, ":status", "504", "content-type", "text/html") }, false, false},
	"Envoy lost it":                {func(s *wireStream) { s.answer("14", envoy+"connection termination") }, false, false},
	"Envoy lost it, and again":     {func(s *wireStream) { s.answer("14", envoyTwo+"remote reset") }, false, false},
	"Envoy lost patience":          {func(s *wireStream) { s.answer("14", "upstream request timeout") }, false, false},
	"the server goes silent":       {func(*wireStream) {}, false, false},
	"it goes silent after GOAWAY":  {func(s *wireStream) { _ = s.WriteGoAway(s.id, http2.ErrCodeNo, nil) }, false, false},
	"it talks of a stream timeout": {func(s *wireStream) { s.answer("14", "stream timeout of the inner service") }, true, false},
}

// pings makes a connection that does not answer count as broken soon.
var pings = grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: time.Second})

// calls makes a unary call and a server stream, each of one message, until its end.
var calls = map[string]func(ctx context.Context, cc *grpc.ClientConn) error{
	"unary": func(ctx context.Context, cc *grpc.ClientConn) error {
		_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(ctx, &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: []byte("x")}})
		return err
	},
	"stream": func(ctx context.Context, cc *grpc.ClientConn) error {
		st, err := testgrpc.NewTestServiceClient(cc).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte("x")}})
		if err == nil {
			_, err = st.Recv()
		}
		return err
	},
}

func TestLostReply_IsNotTheServersAnswer(t *testing.T) {
	listed, err := grpcx.FromServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
		"maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`)
	require.NoError(t, err)
	for name, row := range unavailableBy {
		for kind, call := range calls {
			timeless(t, name+", "+kind, func(t *testing.T) {
				undeclared := 1
				if row.answered {
					undeclared = 3
				}
				for how, opt := range map[string]struct {
					grpcx.Option
					sent int
				}{
					"undeclared": {grpcx.WithReplayBuffer(1 << 10), undeclared},
					"strict":     {grpcx.WithStrictIdempotency(), 1},
					"declared":   {grpcx.WithIdempotentMethods("grpc.testing.TestService/*"), 3},
					"listed":     {grpcx.WithPolicies(listed.WithBudget(budget.Unlimited{})), 3},
				} {
					var streams atomic.Int64
					opts := append(grpcx.DialOptions(policy(t), opt.Option), wire(t, &streams, row.react), pings)
					err := call(t.Context(), conn(t, "passthrough:///x", opts...))
					require.Equal(t, codes.Unavailable, status.Code(err), how)
					require.Equal(t, opt.sent, sentBy(t, err), "%s: %v", how, err)
					require.EqualValues(t, opt.sent, streams.Load(), how)
				}
			})
		}
	}
}

// Interceptors behind ours that drop call options hide what came; the texts of gRPC's transport
// remain.
func TestLostReply_KnownByTextIfOptionsDropped(t *testing.T) {
	for name, row := range unavailableBy {
		if !row.lost {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var streams atomic.Int64
			drop := grpc.WithChainUnaryInterceptor(func(
				ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, _ ...grpc.CallOption,
			) error {
				return invoker(ctx, method, req, reply, cc)
			})
			opts := append(grpcx.DialOptions(policy(t)), wire(t, &streams, row.react), drop)
			err := calls["unary"](t.Context(), conn(t, "passthrough:///x", opts...))
			require.Equal(t, 1, sentBy(t, err), "%v", err)
			require.Equal(t, retry.ReasonNotIdempotent, reason(t, err))
			require.EqualValues(t, 1, streams.Load())
		})
	}
}

// killable serves s like serve. kill closes the connections that there are, as a crash does.
func killable(t *testing.T, s testgrpc.TestServiceServer) (to grpc.DialOption, kill func()) {
	t.Helper()
	l := &mortal{Listener: bufconn.Listen(1 << 20)}
	listen(t, l, s)
	dialer := func(ctx context.Context, _ string) (net.Conn, error) {
		return l.Listener.(*bufconn.Listener).DialContext(ctx)
	}
	return grpc.WithContextDialer(dialer), l.kill
}

// mortal is a listener that knows its connections.
type mortal struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *mortal) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conn)
	return conn, err
}

func (l *mortal) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	l.conns = nil
}

// A compare-and-set whose reply is lost has had its effect; a second one would find the value
// changed, and tell the caller that somebody else changed it.
func TestLostReply_CompareAndSet(t *testing.T) {
	for kind, call := range calls {
		for name, row := range map[string]struct {
			opt  grpcx.Option
			want codes.Code
			sent int64
		}{
			"undeclared": {grpcx.WithReplayBuffer(1 << 10), codes.Unavailable, 1},
			"declared":   {grpcx.WithIdempotentMethods("*"), codes.FailedPrecondition, 2},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				s := newService()
				to, kill := killable(t, s)
				act := func(n int, ctx context.Context) error {
					if n > 1 {
						return status.Error(codes.FailedPrecondition, "somebody else holds the lock")
					}
					kill()
					<-ctx.Done()
					return ctx.Err()
				}
				s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
					return nil, act(n, ctx)
				}
				s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
					return act(n, st.Context())
				}
				err := call(within(t, time.Minute), conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t), row.opt), to)...))
				require.Equal(t, row.want, status.Code(err), "%v", err)
				require.Equal(t, row.sent, s.calls.Load())
			})
		}
	}
}

// A budget counts calls that failed together with a connection as one event.
func TestLostReply_EvidenceOfLostConnection(t *testing.T) {
	for name, row := range unavailableBy {
		want := budget.Failed
		switch {
		case row.lost:
			want = budget.Lost
		case name == "it is closed for talking much", name == "it answers 429":
			want = budget.Overloaded
		}
		for kind, call := range calls {
			timeless(t, name+", "+kind, func(t *testing.T) {
				var streams atomic.Int64
				books := testkit.NewLedger()
				p := policy(t, attempts(1), func(c *retry.Config) { c.Budget = budget.Shared(books) })
				opts := append(grpcx.DialOptions(p), wire(t, &streams, row.react), pings)
				err := call(t.Context(), conn(t, "passthrough:///x", opts...))
				require.Equal(t, codes.Unavailable, status.Code(err))
				require.Equal(t, []budget.Evidence{want}, books.Ends, "%v", err)
				books.Settled(t)
			})
		}
	}
}

func TestConnectionLost(t *testing.T) {
	for name, row := range unavailableBy {
		for kind, desc := range map[string]*grpc.StreamDesc{"unary": {}, "stream": {ServerStreams: true}, "both ways": {ClientStreams: true, ServerStreams: true}} {
			timeless(t, name+", "+kind, func(t *testing.T) {
				var streams atomic.Int64
				header, trailer, err := receive(t, conn(t, "passthrough:///x", wire(t, &streams, row.react), pings), desc)
				require.Equal(t, codes.Unavailable, status.Code(err))
				require.Equal(t, row.lost, grpcx.ConnectionLost(err, header, trailer), "%v", err)
			})
		}
	}
	t.Run("refused", func(t *testing.T) {
		header, trailer, err := receive(t, conn(t, refused), &grpc.StreamDesc{})
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.False(t, grpcx.ConnectionLost(err, header, trailer))
	})
	t.Run("handed back", func(t *testing.T) {
		var streams atomic.Int64
		refuse := func(s *wireStream) { _ = s.WriteRSTStream(s.id, http2.ErrCodeRefusedStream) }
		header, trailer, err := receive(t, conn(t, "passthrough:///x", wire(t, &streams, refuse)), &grpc.StreamDesc{})
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.False(t, grpcx.ConnectionLost(err, header, trailer))
	})
}

// timeless runs a subtest with a clock of its own.
func timeless(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// receive sends one message on a stream of plain gRPC's, and returns how the stream ends.
func receive(t *testing.T, cc *grpc.ClientConn, desc *grpc.StreamDesc) (header, trailer metadata.MD, err error) {
	t.Helper()
	st, err := cc.NewStream(t.Context(), desc, duplexCall, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return nil, nil, err
	}
	require.NoError(t, st.SendMsg(in("x")))
	for err == nil {
		err = st.RecvMsg(in(""))
	}
	require.NotEqual(t, io.EOF, err)
	return header, trailer, err
}
