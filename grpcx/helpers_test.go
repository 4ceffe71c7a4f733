package grpcx_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	emptyCall  = "/grpc.testing.TestService/EmptyCall"
	unaryCall  = "/grpc.testing.TestService/UnaryCall"
	outputCall = "/grpc.testing.TestService/StreamingOutputCall"
	inputCall  = "/grpc.testing.TestService/StreamingInputCall"
	duplexCall = "/grpc.testing.TestService/FullDuplexCall"
)

// service is a test service whose methods the test writes.
type service struct {
	testgrpc.TestServiceServer
	calls  atomic.Int64
	unary  func(ctx context.Context, n int, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error)
	output func(n int, r *testgrpc.StreamingOutputCallRequest, s testgrpc.TestService_StreamingOutputCallServer) error
	input  func(n int, s testgrpc.TestService_StreamingInputCallServer) error
	duplex func(n int, s testgrpc.TestService_FullDuplexCallServer) error
}

func newService() *service { return &service{TestServiceServer: interop.NewTestServer()} }

func (s *service) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	n := int(s.calls.Add(1))
	if s.unary == nil {
		return s.TestServiceServer.UnaryCall(ctx, r)
	}
	return s.unary(ctx, n, r)
}

func (s *service) StreamingOutputCall(
	r *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer,
) error {
	n := int(s.calls.Add(1))
	if s.output == nil {
		return s.TestServiceServer.StreamingOutputCall(r, st)
	}
	return s.output(n, r, st)
}

func (s *service) StreamingInputCall(st testgrpc.TestService_StreamingInputCallServer) error {
	n := int(s.calls.Add(1))
	if s.input == nil {
		return s.TestServiceServer.StreamingInputCall(st)
	}
	return s.input(n, st)
}

func (s *service) FullDuplexCall(st testgrpc.TestService_FullDuplexCallServer) error {
	n := int(s.calls.Add(1))
	if s.duplex == nil {
		return s.TestServiceServer.FullDuplexCall(st)
	}
	return s.duplex(n, st)
}

// serve serves s over an in-memory connection until the test ends, and returns what dials it.
func serve(t testing.TB, s testgrpc.TestServiceServer, opts ...grpc.ServerOption) grpc.DialOption {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(opts...)
	testgrpc.RegisterTestServiceServer(srv, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
}

// dial connects with the interceptors of p.
func dial(t testing.TB, to grpc.DialOption, p *retry.Policy, opts ...grpcx.Option) testgrpc.TestServiceClient {
	t.Helper()
	return testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", append(grpcx.DialOptions(p, opts...), to)...))
}

func conn(t testing.TB, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// policy retries at once and without a budget, so that a test sees what it is about.
func policy(t testing.TB, change ...func(*retry.Config)) *retry.Policy {
	t.Helper()
	cfg := retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None(), Budget: budget.Unlimited{}}
	for _, c := range change {
		c(&cfg)
	}
	p, err := retry.New(cfg, retry.WithObserver(recorder{testOf(t)}))
	require.NoError(t, err)
	return p
}

func unavailable() error { return status.Error(codes.Unavailable, "down") }

// failing fails the first calls with err, and then answers with the number of the call.
func failing(times int, err error) func(context.Context, int, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		if n <= times {
			return nil, err
		}
		return numbered(n), nil
	}
}

// numbered returns an answer that holds the number of its attempt.
func numbered(n int) *testgrpc.SimpleResponse {
	return &testgrpc.SimpleResponse{Username: string(rune('0' + n))}
}

func withTrailer(ctx context.Context, kv ...string) { _ = grpc.SetTrailer(ctx, metadata.Pairs(kv...)) }

func reason(t testing.TB, err error) retry.Reason {
	t.Helper()
	return stopped(t, err).Reason
}

// stopped returns the *retry.Error that err is or, of a call that added nothing to its attempt's
// error, one made of what the observer of the test's policy was told last.
func stopped(t testing.TB, err error) *retry.Error {
	t.Helper()
	require.Error(t, err)
	var e *retry.Error
	if errors.As(err, &e) {
		return e
	}
	told, ok := reports.Load(testOf(t))
	require.True(t, ok, "no *retry.Error, and no call was observed: %v", err)
	r := told.(retry.Report)
	require.Equal(t, err, r.Err, "the attempt's own error")
	return &retry.Error{Reason: r.Reason, Attempts: r.Attempts, Last: err}
}

// reports has the last report of each test's policy, by testOf.
var reports sync.Map

// recorder is the observer of the policies of one test.
type recorder struct{ test string }

func (recorder) AttemptDone(context.Context, retry.Attempt)        {}
func (r recorder) CallDone(_ context.Context, report retry.Report) { reports.Store(r.test, report) }

func testOf(t testing.TB) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return name
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func attempts(n int) func(*retry.Config) { return func(c *retry.Config) { c.MaxAttempts = n } }

// retryInfoBytes returns a status with 100 details of the type RetryInfo, each of the given bytes.
func retryInfoBytes(code int32, value []byte) *status.Status {
	p := &spb.Status{Code: code, Message: "no"}
	for range 100 {
		p.Details = append(p.Details, &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: value})
	}
	return status.FromProto(p)
}
