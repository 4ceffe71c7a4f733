package otel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const streamMethod = "grpc.testing.TestService/StreamingOutputCall"

// point returns the only point of a histogram of integers.
func point(t *testing.T, m metricdata.Metrics) metricdata.HistogramDataPoint[int64] {
	t.Helper()
	require.IsType(t, metricdata.Histogram[int64]{}, m.Data)
	points := m.Data.(metricdata.Histogram[int64]).DataPoints
	require.Len(t, points, 1)
	return points[0]
}

func rpcAttributes(method, target string) attribute.Set {
	return attribute.NewSet(attribute.String("grpc.method", method), attribute.String("grpc.target", target))
}

func TestGRPC_RetryMetricsOfUnary(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)
	_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)

	found := tel.collect(t)
	retries := point(t, found["grpc.client.call.retries"])
	require.EqualValues(t, 2, retries.Sum)
	require.EqualValues(t, 1, retries.Count)
	require.Equal(t, rpcAttributes(unaryMethod, conn.CanonicalTarget()), retries.Attributes)
	require.Contains(t, found, "grpc.client.call.retry_delay")
	require.NotContains(t, found, "grpc.client.call.hedges")
	require.NotContains(t, found, "grpc.client.call.transparent_retries")
}

func TestGRPC_RetryMetricsOfStream(t *testing.T) {
	var b backend
	b.refuse.Store(1)
	tel := newTelemetry()
	conn := b.dial(t, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)
	stream, err := testgrpc.NewTestServiceClient(conn).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Error(t, err) // io.EOF

	retries := point(t, tel.collect(t)["grpc.client.call.retries"])
	require.EqualValues(t, 1, retries.Sum)
	require.Equal(t, rpcAttributes(streamMethod, conn.CanonicalTarget()), retries.Attributes)
}

func TestMethod_NotGeneratedIsOther(t *testing.T) {
	var b backend
	b.refuse.Store(1)
	tel := newTelemetry()
	conn := b.dial(t, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)
	err := conn.Invoke(t.Context(), "/"+unaryMethod, &testgrpc.SimpleRequest{}, &testgrpc.SimpleResponse{})
	require.NoError(t, err)
	retries := point(t, tel.collect(t)["grpc.client.call.retries"])
	require.Equal(t, rpcAttributes("other", conn.CanonicalTarget()), retries.Attributes)
}

func TestGRPC_CountsHedges(t *testing.T) {
	var b backend
	b.ignore.Store(1)
	tel := newTelemetry()
	p := tel.policy(t, retry.Config{Hedge: timeout.Fixed(10 * time.Millisecond), MaxAttempts: 2})
	conn := b.dial(t, append(
		grpcx.DialOptions(p, grpcx.WithIdempotentMethods("/"+unaryMethod)), tel.statsHandler(),
	)...)
	tel.during(t, func(ctx context.Context) {
		_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		require.NoError(t, err)
	})

	found := tel.collect(t)
	hedges := point(t, found["grpc.client.call.hedges"])
	require.EqualValues(t, 1, hedges.Sum)
	require.Equal(t, rpcAttributes(unaryMethod, conn.CanonicalTarget()), hedges.Attributes)
	require.NotContains(t, found, "grpc.client.call.retries")
	spans := tel.ended(unaryMethod)
	require.Len(t, spans, 2)
	childrenOf(t, tel.caller(t), trace.SpanKindClient, spans)
	require.Equal(t, []string{"evenkeel.hedge", "evenkeel.stop"}, events(tel.caller(t)))
}

func TestPlugin_SameOfAnRPC(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, append([]grpc.DialOption{tel.plugin()}, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)...)
	_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)

	found := tel.collect(t)
	retries := point(t, found["grpc.client.call.retries"])
	require.EqualValues(t, 2, retries.Sum)
	started := found["grpc.client.attempt.started"].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, started, 1)
	require.Equal(t, started[0].Attributes, retries.Attributes)
}

// Once gRPC-Go records gRFC A96 itself this fails, and otelx.WithoutGRPCMetrics has to be the
// default for grpcx.
func TestPlugin_RecordsNothingTwice(t *testing.T) {
	var b backend
	b.refuse.Store(2)
	tel := newTelemetry()
	conn := b.dial(t, append([]grpc.DialOption{tel.plugin()}, grpcx.DialOptions(tel.policy(t, retry.Config{}))...)...)
	_, err := testgrpc.NewTestServiceClient(conn).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)

	var all metricdata.ResourceMetrics
	require.NoError(t, tel.reader.Collect(t.Context(), &all))
	require.Greater(t, len(all.ScopeMetrics), 1)
	scopes := map[string]string{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			require.NotContains(t, scopes, m.Name, "two scopes record it")
			scopes[m.Name] = scope.Scope.Name
		}
	}
	require.Contains(t, scopes, "grpc.client.call.retries")
}
