package grpcx_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// opened fills in what gRPC does of a stream that got so far.
func opened(opts []grpc.CallOption, header, trailer metadata.MD) {
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = header
		case grpc.TrailerCallOption:
			*o.TrailerAddr = trailer
		case grpc.OnFinishCallOption:
			o.OnFinish(nil)
		}
	}
}

var draining = status.Error(codes.Unavailable, "the connection is draining")

// How often an undeclared unary call is sent, and what that costs, by what came back each time.
func TestUnprocessed_FreeTwiceThenPays(t *testing.T) {
	contentType := metadata.Pairs("content-type", "application/grpc")
	for name, row := range map[string]struct {
		err             error
		header, trailer metadata.MD
		sent, paid      int
	}{
		"draining":                     {draining, nil, metadata.MD{}, 5, 3},
		"GOAWAY names an earlier one":  {status.Error(codes.Unavailable, "the stream is rejected because server is draining the connection"), nil, metadata.MD{}, 5, 3},
		"refused":                      {status.Error(codes.Unavailable, "stream terminated by RST_STREAM with error code: REFUSED_STREAM"), nil, metadata.MD{}, 5, 3},
		"the message was not written":  {io.EOF, nil, metadata.MD{}, 5, 3},
		"the same, and a trailer came": {io.EOF, nil, contentType, 3, 3},
		"an interceptor had a reply":   {io.EOF, contentType, metadata.MD{}, 1, 1},
		"no connection":                {unavailable(), nil, nil, 3, 3},
		"a broken connection":          {status.Error(codes.Unavailable, "error reading from server: EOF"), nil, metadata.MD{}, 1, 1},
		"an application relays it":     {draining, nil, contentType, 1, 1},
		"after a header":               {draining, contentType, metadata.MD{}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			books := testkit.NewLedger()
			call := grpcx.UnaryClientInterceptor(policy(t, booked(books)), grpcx.WithStrictIdempotency())
			n := 0
			err := call(t.Context(), unaryCall, nil, nil, nil, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				n++
				opened(opts, row.header, row.trailer)
				return row.err
			})
			require.ErrorIs(t, err, row.err)
			require.Equal(t, row.sent, n)
			require.Len(t, books.Ends, row.paid)
		})
	}
}

// broken is a stream of gRPC-Go's whose transparent retry broke.
type broken struct{ grpc.ClientStream }

func (broken) Header() (metadata.MD, error) { return nil, nil }
func (broken) Trailer() metadata.MD         { return metadata.MD{} }
func (broken) RecvMsg(any) error            { return io.EOF }
func (broken) SendMsg(any) error            { return nil }
func (broken) CloseSend() error             { return nil }

func TestStream_EndWithoutStatusIsLostAttempt(t *testing.T) {
	open := grpcx.StreamClientInterceptor(policy(t))
	n := 0
	st, err := open(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, outputCall,
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			n++
			return broken{}, nil
		})
	require.NoError(t, err)
	require.NoError(t, st.SendMsg(in("x")))
	require.NoError(t, st.CloseSend())
	err = st.RecvMsg(nil)
	require.NotEqual(t, io.EOF, err)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	require.Equal(t, 5, n)
}

func FuzzRetryInfo(f *testing.F) {
	f.Add([]byte{}, int32(8))
	f.Add([]byte{0x0a, 0x02, 0x08, 0x01}, int32(14))
	f.Fuzz(func(t *testing.T, value []byte, code int32) {
		st := retryInfoBytes(code, value)
		call := grpcx.UnaryClientInterceptor(policy(t, attempts(2), func(c *retry.Config) { c.MaxHint = 1 }), grpcx.WithIdempotentMethods(unaryCall))
		err := call(t.Context(), unaryCall, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			return st.Err()
		})
		require.Equal(t, st.Code(), status.Code(err))
	})
}

// foreign is a stream of another make: it ends well with neither header nor trailer, and knows no
// OnFinish.
type foreign struct{ broken }

func (foreign) Trailer() metadata.MD { return nil }

func TestForeignStream_EndIsReleased(t *testing.T) {
	books := testkit.NewLedger()
	open := grpcx.StreamClientInterceptor(policy(t, booked(books)))
	var of context.Context
	finished := 0
	st, err := open(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, outputCall,
		func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
			of = ctx
			return foreign{}, nil
		}, grpc.OnFinish(func(error) { finished++ }))
	require.NoError(t, err)
	require.Equal(t, io.EOF, st.RecvMsg(nil))
	require.Error(t, of.Err())
	require.Equal(t, 1, finished)
	books.Settled(t)
}

// shut is a budget that refuses even first attempts.
type shut struct{ *testkit.Ledger }

func (*shut) Allow(time.Time, float64) bool { return false }

func TestGate_ShutSendsNothing(t *testing.T) {
	p := policy(t, func(c *retry.Config) { c.Budget = budget.Shared(&shut{testkit.NewLedger()}) })
	s := newService()
	c := dial(t, serve(t, s), p)
	_, err := c.UnaryCall(t.Context(), nil)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonGate, reason(t, err))
	_, err = c.FullDuplexCall(t.Context())
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonGate, reason(t, err))
	require.Zero(t, s.calls.Load())
}

// words is a message of a codec of its own.
type words struct{ text string }

type wordsCodec struct{}

func (wordsCodec) Name() string { return "words" }
func (wordsCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*words).text)}, nil
}

func (wordsCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*words).text = string(data.Materialize())
	return nil
}
