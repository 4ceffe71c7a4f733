package balancer_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

const healthy = 10 * time.Millisecond

// backend is one server. Its behavior may be changed at any time.
type backend struct {
	testgrpc.TestServiceServer
	name    string
	calls   atomic.Int64
	does    atomic.Pointer[func(context.Context) error]
	refuses atomic.Bool // connections
	l       *bufconn.Listener
	srv     *grpc.Server
	served  chan struct{}
}

func answers(after time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(after):
			return nil
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

func fails(code codes.Code) func(context.Context) error {
	return func(context.Context) error { return status.Error(code, "failing") }
}

func hangs(ctx context.Context) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func (b *backend) do(f func(context.Context) error) { b.does.Store(&f) }

func (b *backend) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	b.calls.Add(1)
	if err := (*b.does.Load())(ctx); err != nil {
		return nil, err
	}
	return &testgrpc.SimpleResponse{Hostname: b.name}, nil
}

func (b *backend) StreamingOutputCall(
	_ *testgrpc.StreamingOutputCallRequest, s testgrpc.TestService_StreamingOutputCallServer,
) error {
	b.calls.Add(1)
	if err := (*b.does.Load())(s.Context()); err != nil {
		return err
	}
	return s.Send(&testgrpc.StreamingOutputCallResponse{})
}

// fleet is several backends behind one name.
type fleet struct {
	mu       sync.Mutex
	backends []*backend
	resolver *manual.Resolver
}

func newFleet(t testing.TB, names ...string) *fleet {
	f := &fleet{resolver: manual.NewBuilderWithScheme("fleet")}
	for _, name := range names {
		f.add(name)
	}
	f.resolver.InitialState(f.state())
	t.Cleanup(func() {
		for _, b := range f.backends {
			b.srv.Stop()
			<-b.served
		}
	})
	return f
}

func (f *fleet) add(name string) *backend {
	b := &backend{
		TestServiceServer: interop.NewTestServer(), name: name, l: bufconn.Listen(1 << 16), srv: grpc.NewServer(),
		served: make(chan struct{}),
	}
	b.do(answers(healthy))
	testgrpc.RegisterTestServiceServer(b.srv, b)
	go func() {
		defer close(b.served)
		_ = b.srv.Serve(b.l)
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backends = append(f.backends, b)
	return b
}

// state lists the backends with the given names, or all.
func (f *fleet) state(names ...string) (s resolver.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.backends {
		if names == nil || slices.Contains(names, b.name) {
			s.Addresses = append(s.Addresses, resolver.Address{Addr: b.name})
		}
	}
	return s
}

func (f *fleet) dial(ctx context.Context, addr string) (net.Conn, error) {
	f.mu.Lock()
	i := slices.IndexFunc(f.backends, func(b *backend) bool { return b.name == addr })
	f.mu.Unlock()
	if i < 0 || f.backends[i].refuses.Load() {
		return nil, errors.New("refused")
	}
	return f.backends[i].l.DialContext(ctx)
}

func (f *fleet) calls() (n []int64) {
	for _, b := range f.backends {
		n = append(n, b.calls.Load())
	}
	return n
}

// client connects with the interceptors of p, unless that is nil, and waits until n backends are
// connected.
func (f *fleet) client(
	t testing.TB, p *retry.Policy, c balancer.Config, opts ...grpcx.Option,
) testgrpc.TestServiceClient {
	t.Helper()
	dial := []grpc.DialOption{
		balancer.DialOption(c), grpc.WithResolvers(f.resolver), grpc.WithContextDialer(f.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}
	if p != nil {
		dial = append(dial, grpcx.DialOptions(p, opts...)...)
	}
	cc, err := grpc.NewClient("fleet:///test", dial...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	cc.Connect()
	return testgrpc.NewTestServiceClient(cc)
}

// settle lets every backend be connected.
func settle() { time.Sleep(time.Second) }

func unary(c testgrpc.TestServiceClient) (string, error) {
	ctx := retry.WithIdempotency(context.Background(), retry.Idempotent)
	r, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	return r.GetHostname(), err
}
