package grpcx_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats/opentelemetry"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// listen serves s on a real socket until the test ends.
func listen(t *testing.T, l net.Listener, s testgrpc.TestServiceServer, opts ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	srv := grpc.NewServer(opts...)
	testgrpc.RegisterTestServiceServer(srv, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return srv
}

func tcp(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func TestTransport_TCPUnixTLS(t *testing.T) {
	cert, pool := certificate(t)
	unixPath := filepath.Join(t.TempDir(), "s")
	unix, err := net.Listen("unix", unixPath)
	require.NoError(t, err)
	plain, secure := tcp(t), tcp(t)
	for target, l := range map[string]net.Listener{
		plain.Addr().String(): plain, "unix:" + unixPath: unix, secure.Addr().String(): secure,
	} {
		s := newService()
		s.unary = failing(2, unavailable())
		s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			if n < 6 {
				return unavailable()
			}
			return st.Send(out("a"))
		}
		opts := grpcx.DialOptions(policy(t))
		var serverOpts []grpc.ServerOption
		if l == secure {
			serverOpts = append(serverOpts, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
		}
		listen(t, l, s, serverOpts...)
		var cc *grpc.ClientConn
		if l == secure {
			cc, err = grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "test")))...)
			require.NoError(t, err)
			defer cc.Close()
		} else {
			cc = conn(t, target, opts...)
		}
		c := testgrpc.NewTestServiceClient(cc)
		_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
		require.NoError(t, err, target)
		st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		got, err := drain(st)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got)
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestRoundRobin_RetryMayUseAnotherBackend(t *testing.T) {
	bad, good := newService(), newService()
	bad.unary = failing(9999, unavailable())
	good.unary = failing(0, nil)
	one, two := tcp(t), tcp(t)
	listen(t, one, bad)
	listen(t, two, good)
	r := manual.NewBuilderWithScheme("both")
	r.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: one.Addr().String()}, {Addr: two.Addr().String()}}})
	cc := conn(t, "both:///x", append(grpcx.DialOptions(policy(t, attempts(50))), grpc.WithResolvers(r),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))...)
	c := testgrpc.NewTestServiceClient(cc)
	// A balancer turns only among the backends it has a connection to, and either may be first.
	for good.calls.Load() == 0 || bad.calls.Load() == 0 {
		_, _ = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpc.WaitForReady(true))
	}
	before := bad.calls.Load()
	for range 20 {
		_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpc.WaitForReady(true))
		require.NoError(t, err)
	}
	require.Greater(t, bad.calls.Load(), before)
}

// refused is a target where nobody listens. No system hands out port 1; one that a test had and
// let go of may be anybody's by the time that it is dialled.
const refused = "127.0.0.1:1"

func TestRefusedDial_RetriedForAnyMethodAndPays(t *testing.T) {
	books := testkit.NewLedger()
	cc := conn(t, refused, grpcx.DialOptions(policy(t, booked(books)), grpcx.WithStrictIdempotency())...)
	_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	require.Len(t, books.Ends, 3)
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, retry.Unprocessed, e.History[0].Class)
	_, err = testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
}

func TestWaitForReady_WithinAttemptTimeout(t *testing.T) {
	cc := conn(t, refused, grpcx.DialOptions(policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(20 * time.Millisecond) }))...)
	_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(t.Context(), &testgrpc.SimpleRequest{}, grpc.WaitForReady(true))
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Attempts, "nothing was sent, so an undeclared method may be sent again")
	require.Equal(t, retry.Unprocessed, e.History[0].Class)
	_, err = testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context(), grpc.WaitForReady(true))
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Attempts)
}

// A server that ends each connection after a moment (GOAWAY) under load.
func TestTransport_DrainingUnderLoad(t *testing.T) {
	s := newService()
	s.unary = func(_ context.Context, n int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		return numbered(1), nil
	}
	l := tcp(t)
	listen(t, l, s, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 5 * time.Millisecond, MaxConnectionAgeGrace: time.Minute}))
	// The slower the machine, the more connections in a row are on their way out.
	p := policy(t, attempts(50), func(c *retry.Config) { c.Backoff = backoff.Constant(time.Millisecond) })
	c := testgrpc.NewTestServiceClient(conn(t, l.Addr().String(), grpcx.DialOptions(p, grpcx.WithStrictIdempotency())...))
	errs := make(chan error, 4)
	for range 4 {
		go func() {
			for range 250 {
				if _, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
}

func TestTransport_KeepaliveCloseIsRetried(t *testing.T) {
	s := newService()
	path := filepath.Join(t.TempDir(), "s") // a port might be another's before the second server listens there
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	srv := listen(t, l, s)
	s.unary = failing(0, nil)
	cc := conn(t, "unix:"+path, append(grpcx.DialOptions(policy(t, attempts(50), func(c *retry.Config) { c.Backoff = backoff.Constant(10 * time.Millisecond) }), declareAll),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))...)
	c := testgrpc.NewTestServiceClient(cc)
	_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	srv.Stop()
	again, err := net.Listen("unix", path)
	require.NoError(t, err)
	listen(t, again, s)
	_, err = c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	for state := cc.GetState(); state != connectivity.Ready; state = cc.GetState() {
		cc.WaitForStateChange(t.Context(), state) // gRPC lets calls through before it says so
	}
}

// gRPC-Go's own OpenTelemetry plugin beside the interceptors: it sees each attempt.
func TestOpenTelemetry_StatsHandlerSeesEachAttempt(t *testing.T) {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	s := newService()
	s.unary = failing(2, unavailable())
	cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t)), serve(t, s),
		opentelemetry.DialOption(opentelemetry.Options{MetricsOptions: opentelemetry.MetricsOptions{
			MeterProvider: provider, Metrics: opentelemetry.DefaultMetrics(),
		}}))...)
	c := testgrpc.NewTestServiceClient(cc)
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	attempts := int64(0)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "grpc.client.attempt.started" {
				for _, p := range sum.DataPoints {
					attempts += p.Value
				}
			}
		}
	}
	require.EqualValues(t, 3, attempts)
}
