package otel_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental/opentelemetry"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	grpcotel "google.golang.org/grpc/stats/opentelemetry"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// backend refuses so many attempts, or leaves so many without an answer, and then answers.
type backend struct {
	testgrpc.UnimplementedTestServiceServer
	refuse, ignore atomic.Int32
}

func (b *backend) attempt(ctx context.Context) error {
	if b.ignore.Add(-1) >= 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	if b.refuse.Add(-1) >= 0 {
		return status.Error(codes.Unavailable, "not now")
	}
	return nil
}

func (b *backend) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return &testgrpc.SimpleResponse{}, b.attempt(ctx)
}

func (b *backend) StreamingOutputCall(
	_ *testgrpc.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testgrpc.StreamingOutputCallResponse],
) error {
	if err := b.attempt(s.Context()); err != nil {
		return err
	}
	return s.Send(&testgrpc.StreamingOutputCallResponse{})
}

// dial starts the backend and connects to it with the given options.
func (b *backend) dial(t *testing.T, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, b)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("dns:///"+lis.Addr().String(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		s.Stop()
		<-done
	})
	return conn
}

func (tel *telemetry) statsHandler() grpc.DialOption {
	return grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(tel.tracers), otelgrpc.WithMeterProvider(tel.meters),
		otelgrpc.WithPropagators(propagator),
	))
}

const unaryMethod = "grpc.testing.TestService/UnaryCall"

func TestOtelgrpc_SpanPerAttempt(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, append(grpcx.DialOptions(tel.policy(t, retry.Config{})), tel.statsHandler())...)
	tel.during(t, func(ctx context.Context) {
		_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
	})

	spans := tel.ended(unaryMethod)
	require.Len(t, spans, 3)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, spans)
	require.Equal(t, []string{"evenkeel.wait", "evenkeel.wait", "evenkeel.stop"}, events(tel.caller(t)))
}

// plugin returns gRPC-Go's own OpenTelemetry instrumentation, metrics and traces.
func (tel *telemetry) plugin() grpc.DialOption {
	return grpcotel.DialOption(grpcotel.Options{
		MetricsOptions: grpcotel.MetricsOptions{MeterProvider: tel.meters},
		TraceOptions: opentelemetry.TraceOptions{
			TracerProvider: tel.tracers, TextMapPropagator: propagator,
		},
	})
}

func TestPlugin_BeforeMakesSpanPerCallAndAttempt(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, append([]grpc.DialOption{tel.plugin()}, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)...)
	tel.during(t, func(ctx context.Context) {
		_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
	})

	calls := tel.ended("Sent.grpc.testing.TestService.UnaryCall")
	require.Len(t, calls, 1)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, calls)
	attempts := tel.ended("Attempt.grpc.testing.TestService.UnaryCall")
	require.Len(t, attempts, 3)
	childrenOf(t, calls[0], trace.SpanKindInternal, attempts)
	require.Contains(t, events(calls[0]), "evenkeel.stop")

	found := tel.collect(t)
	duration := found["grpc.client.call.duration"].Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, duration, 1)
	require.EqualValues(t, 1, duration[0].Count, "one call")
	started := found["grpc.client.attempt.started"].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, started, 1)
	require.EqualValues(t, 3, started[0].Value)
}

func TestPlugin_AfterTakesAttemptForCall(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, append(grpcx.DialOptions(tel.policy(t, retry.Config{})), tel.plugin())...)
	tel.during(t, func(ctx context.Context) {
		_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
	})
	require.Len(t, tel.ended("Sent.grpc.testing.TestService.UnaryCall"), 3)
	require.Equal(t, []string{"evenkeel.wait", "evenkeel.wait", "evenkeel.stop"}, events(tel.caller(t)))
}
