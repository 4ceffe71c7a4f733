package grpcx_test

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// An interceptor behind ours may add options to what it was given, for several invocations at
// once.
func TestCallOptions_ConcurrentAppend(t *testing.T) {
	type mark struct {
		grpc.EmptyCallOption
		n int
	}
	fails := atomic.Int64{}
	inner := func(ctx context.Context, m string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		require.Equal(t, len(opts), cap(opts))
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { _ = invoke(ctx, m, req, reply, cc, append(opts, mark{n: i})...) })
		}
		wg.Wait()
		if fails.Add(1) < 3 {
			return unavailable()
		}
		return nil
	}
	var mu sync.Mutex
	seen := map[int]int{}
	call := grpcx.UnaryClientInterceptor(policy(t))
	for _, own := range [][]grpc.CallOption{nil, {grpc.WaitForReady(true)}, {grpc.WaitForReady(true), grpc.OnFinish(func(error) {})}} {
		fails.Store(0)
		clear(seen)
		err := call(t.Context(), unaryCall, nil, nil, nil, func(ctx context.Context, m string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
			return inner(ctx, m, req, reply, cc, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				mu.Lock()
				defer mu.Unlock()
				seen[opts[len(opts)-1].(mark).n]++
				return nil
			}, opts...)
		}, own...)
		require.NoError(t, err)
		require.Equal(t, map[int]int{0: 3, 1: 3, 2: 3, 3: 3}, seen)
	}
}

// An interceptor that puts options of its own in the places it was given must not spoil the next
// calls.
func TestCallOptions_OverwriteStaysInAttempt(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(policy(t))
	var theirs metadata.MD
	rude := func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		for i := range opts {
			opts[i] = grpc.Trailer(&theirs)
		}
		return nil
	}
	for range 10 { // on goroutines whose stacks lie here and there
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = call(context.Background(), unaryCall, nil, nil, nil, rude)
			n := 0
			err := call(context.Background(), unaryCall, nil, nil, nil, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				n++
				opened(opts, nil, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
				return unavailable()
			})
			if status.Code(err) != codes.Unavailable || n != 1 {
				t.Errorf("pushback was not seen: sent %d times, %v", n, err)
			}
		}()
		<-done
	}
}

func TestCallOptions_CallersAreNotModified(t *testing.T) {
	backing := make([]grpc.CallOption, 8)
	for i := range backing {
		backing[i] = grpc.WaitForReady(true)
	}
	before := slices.Clone(backing)
	md := metadata.Pairs("k", "v")
	s := newService()
	s.unary = failing(2, unavailable())
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, _ testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		return nil
	}
	c := dial(t, serve(t, s), policy(t))
	ctx := metadata.NewOutgoingContext(t.Context(), md)
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, backing[:1]...)
	require.NoError(t, err)
	s.calls.Store(0)
	st, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{}, backing[:1]...)
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, io.EOF, err)
	require.Equal(t, before, backing)
	require.Equal(t, metadata.Pairs("k", "v"), md)
}

// finishes counts how often a call was finished.
func finishes(n *atomic.Int64) grpc.CallOption { return grpc.OnFinish(func(error) { n.Add(1) }) }

func TestOnFinish_CalledOnce(t *testing.T) {
	s := newService()
	s.unary = failing(2, unavailable())
	c := dial(t, serve(t, s), policy(t))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(grpc.CallOption) error{
		"unary, retried": func(o grpc.CallOption) error {
			_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, o)
			return err
		},
		"unary, cancelled before": func(o grpc.CallOption) error {
			_, err := c.UnaryCall(canceled, &testgrpc.SimpleRequest{}, o)
			return err
		},
		"stream, cancelled before": func(o grpc.CallOption) error {
			_, err := c.FullDuplexCall(canceled, o)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			err := call(finishes(&n))
			require.Equal(t, name != "unary, retried", status.Code(err) == codes.Canceled)
			require.EqualValues(t, 1, n.Load())
		})
	}
}

func TestCallOptions_MessageOptionsOnEachAttempt(t *testing.T) {
	s := newService()
	s.unary = func(ctx context.Context, n int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		require.Equal(t, []string{"secret"}, md.Get("token"))
		if n < 3 {
			return nil, unavailable()
		}
		return &testgrpc.SimpleResponse{Payload: r.Payload}, nil
	}
	var tally tally
	c := testgrpc.NewTestServiceClient(conn(t, "passthrough:///x",
		append(grpcx.DialOptions(policy(t)), serve(t, s), grpc.WithStatsHandler(&tally))...))
	body := &testgrpc.Payload{Body: make([]byte, 1000)}
	got, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{Payload: body},
		grpc.UseCompressor(gzip.Name), grpc.PerRPCCredentials(token{}), grpc.CallContentSubtype("proto"))
	require.NoError(t, err)
	require.Len(t, got.Payload.Body, 1000)
	require.Equal(t, []string{gzip.Name, gzip.Name, gzip.Name}, tally.compression)
	require.Equal(t, 3, tally.begun)
	require.Equal(t, 3, tally.ended)

	_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{Payload: body}, grpc.PerRPCCredentials(token{}), grpc.MaxCallRecvMsgSize(10))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.EqualValues(t, 4, s.calls.Load(), "a reply that is too large is so the next time")
}

type token struct{}

func (token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"token": "secret"}, nil
}
func (token) RequireTransportSecurity() bool { return false }

var _ credentials.PerRPCCredentials = token{}

// tally is a stats handler that counts attempts.
type tally struct {
	mu           sync.Mutex
	begun, ended int
	compression  []string
}

func (*tally) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*tally) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*tally) HandleConn(context.Context, stats.ConnStats)                       {}
func (y *tally) HandleRPC(_ context.Context, s stats.RPCStats) {
	y.mu.Lock()
	defer y.mu.Unlock()
	switch s := s.(type) {
	case *stats.Begin:
		y.begun++
	case *stats.End:
		y.ended++
	case *stats.OutHeader:
		y.compression = append(y.compression, s.Compression)
	}
}

// The interceptors of others see a call before ours, and each attempt after.
func TestInterceptors_BeforeSeeCallsAfterSeeAttempts(t *testing.T) {
	count := func(n *int) grpc.UnaryClientInterceptor {
		return func(ctx context.Context, m string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			*n++
			return invoke(ctx, m, req, reply, cc, opts...)
		}
	}
	countStreams := func(n *int) grpc.StreamClientInterceptor {
		return func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, m string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			*n++
			return open(ctx, d, cc, m, opts...)
		}
	}
	var before, behind int
	s := newService()
	s.unary = failing(2, unavailable())
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	opts := []grpc.DialOption{grpc.WithChainUnaryInterceptor(count(&before)), grpc.WithChainStreamInterceptor(countStreams(&before))}
	opts = append(opts, grpcx.DialOptions(policy(t))...)
	opts = append(opts, grpc.WithChainUnaryInterceptor(count(&behind)), grpc.WithChainStreamInterceptor(countStreams(&behind)), serve(t, s))
	c := testgrpc.NewTestServiceClient(conn(t, "passthrough:///x", opts...))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, []int{before, behind})
	s.calls.Store(0)
	st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	got, err := drain(st)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got)
	require.Equal(t, []int{2, 6}, []int{before, behind})
}

// A service config that the resolver gives must not add a second layer of retries below ours.
func TestResolverServiceConfig_AddsNoRetries(t *testing.T) {
	s := newService()
	s.unary = failing(100, unavailable())
	c := testgrpc.NewTestServiceClient(conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t)), serve(t, s),
		grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.001s",
			"maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`))...))
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 3, s.calls.Load())
}

// lateTimer is a context whose timer has not got round to its deadline.
type lateTimer struct {
	context.Context
	at time.Time
}

func (c lateTimer) Deadline() (time.Time, bool) { return c.at, true }

func TestUnary_HeaderTrailerPeerOfWinnerOnly(t *testing.T) {
	for name, p := range map[string]*retry.Policy{
		"plain": policy(t), "timed": policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) }),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.unary = func(ctx context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
				signed(ctx, n)
				if n < 3 {
					return nil, unavailable()
				}
				return numbered(n), nil
			}
			var header, trailer metadata.MD
			var from peer.Peer
			finished := 0
			finish := grpc.OnFinish(func(err error) { finished++; require.NoError(t, err) })
			_, err := dial(t, serve(t, s), p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{},
				grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from), finish)
			require.NoError(t, err)
			require.Equal(t, []string{"3"}, header.Get("from"))
			require.Equal(t, []string{"3"}, trailer.Get("from"))
			require.NotNil(t, from.Addr)
			require.Equal(t, 1, finished)
			require.NotContains(t, trailer, "grpc-retry-pushback-ms")
		})
	}
}

func TestUnary_LostAttemptsMetadataNotShown(t *testing.T) {
	call := grpcx.UnaryClientInterceptor(policy(t))
	n := 0
	var header, trailer metadata.MD
	reply := new(testgrpc.SimpleResponse)
	err := call(t.Context(), unaryCall, nil, reply, nil, func(_ context.Context, _ string, _, r any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		if n++; n == 1 {
			for _, o := range opts {
				switch o := o.(type) {
				case grpc.HeaderCallOption:
					*o.HeaderAddr = metadata.Pairs("from", "1")
				case grpc.TrailerCallOption:
					*o.TrailerAddr = metadata.Pairs("from", "1")
				}
			}
			r.(*testgrpc.SimpleResponse).Username = "1"
		}
		return unavailable()
	}, grpc.Header(&header), grpc.Trailer(&trailer))
	require.Error(t, err)
	require.Equal(t, 3, n)
	require.Empty(t, header)
	require.Empty(t, trailer)
	require.Empty(t, reply.Username)
}

// TestCallOptions_UntouchedWithoutStream has gRPC-Go refuse calls, and then leave the targets of
// options alone.
func TestCallOptions_UntouchedWithoutStream(t *testing.T) {
	c := dial(t, serve(t, newService()), policy(t))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "bad", "a\nb")
	header, trailer, from := metadata.Pairs("h", "1"), metadata.Pairs("t", "1"), peer.Peer{Addr: &net.UnixAddr{}}
	opts := []grpc.CallOption{grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from)}
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, opts...)
	require.Equal(t, codes.Internal, status.Code(err))
	_, err = c.FullDuplexCall(ctx, opts...)
	require.Equal(t, codes.Internal, status.Code(err))
	require.Equal(t, metadata.Pairs("h", "1"), header)
	require.Equal(t, metadata.Pairs("t", "1"), trailer)
	require.NotNil(t, from.Addr)
}
