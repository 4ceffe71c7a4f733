package grpcx_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestStream_AttemptTimeoutBoundsBeginning(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			if n == 1 {
				<-st.Context().Done()
				return st.Context().Err()
			}
			_, bounded := st.Context().Deadline()
			require.False(t, bounded)
			for range 3 {
				require.NoError(t, st.Send(out("tick")))
				time.Sleep(time.Hour)
			}
			return nil
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		c := dial(t, to, p, grpcx.WithIdempotentMethods(outputCall))
		start := time.Now()
		st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		got, err := drain(st)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.EqualValues(t, 2, s.calls.Load())
	})
}

func TestStream_AttemptTimeoutIsReportedAsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			<-st.Context().Done()
			return st.Context().Err()
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		start := time.Now()
		st, err := dial(t, to, p, grpcx.WithIdempotentMethods(outputCall)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	})
}

func TestStream_AttemptTimeoutIgnoresCallersPauses(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		st, err := dial(t, to, p).StreamingInputCall(t.Context())
		require.NoError(t, err)
		for range 5 {
			require.NoError(t, st.Send(in("x")))
			time.Sleep(time.Minute)
		}
		reply, err := st.CloseAndRecv()
		require.NoError(t, err)
		require.EqualValues(t, 5, reply.AggregatedPayloadSize)
	})
}

func TestStream_ServiceConfigTimeoutBoundsWholeStream(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			require.NoError(t, st.SendHeader(nil))
			<-st.Context().Done()
			return st.Context().Err()
		}
		c := dial(t, to, policy(t), policiesOf(t, `{"methodConfig": [{"name": [{}], "timeout": "3s"}]}`))
		start := time.Now()
		st, err := c.FullDuplexCall(t.Context())
		require.NoError(t, err)
		_, err = drain(st)
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// A server that takes no message holds up whoever sends it more than its window, also what is sent
// again.
func TestStream_AttemptTimeoutBoundsReplay(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		if n == 2 { // hangs
			<-st.Context().Done()
			return unavailable()
		}
		for {
			_, err := st.Recv()
			switch {
			case err == io.EOF && n == 1:
				return unavailable()
			case err == io.EOF:
				return st.Send(&testgrpc.StreamingOutputCallResponse{})
			case err != nil:
				return err
			}
		}
	}
	p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(300 * time.Millisecond) })
	window := grpc.StaticStreamWindowSize(64 << 10)
	c := dial(t, serve(t, s, window), p, grpcx.WithIdempotentMethods(duplexCall))
	st, err := c.FullDuplexCall(within(t, 10*time.Second))
	require.NoError(t, err)
	for range 25 {
		m := &testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, 10<<10)}}
		require.NoError(t, st.Send(m))
	}
	require.NoError(t, st.CloseSend())
	_, err = st.Recv()
	require.NoError(t, err, "the third attempt answers")
	require.EqualValues(t, 3, s.calls.Load())
}

// lateHeader is a stream of an interceptor below ours that takes two seconds for the header.
type lateHeader struct{ grpc.ClientStream }

func (l lateHeader) Header() (metadata.MD, error) {
	time.Sleep(2 * time.Second)
	return l.ClientStream.Header()
}

// A server that has ended the stream well before the attempt's timeout passes has answered.
func TestStream_OnFinishOfGoodEndAtTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return nil }
		below := func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
			opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			st, err := streamer(ctx, desc, cc, method, opts...)
			return lateHeader{st}, err
		}
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(p), to, grpc.WithChainStreamInterceptor(below))...)
		var finished []error
		st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context(),
			grpc.OnFinish(func(err error) { finished = append(finished, err) }))
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, io.EOF, err)
		require.Equal(t, []error{nil}, finished)
	})
}

// A stream that is given up before its end may still write its trailer.
func TestStream_TrailerOfUnfinishedIsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := policy(t, attempts(1), func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		st, err := grpcx.StreamClientInterceptor(p)(t.Context(), bidi, nil, duplexCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.header = func() (metadata.MD, error) { <-ctx.Done(); return metadata.MD{}, nil }
				s.trailer = metadata.Pairs("half", "written")
				return s, nil
			}))
		require.NoError(t, err)
		require.Equal(t, codes.DeadlineExceeded, status.Code(st.RecvMsg(both(""))))
		require.Nil(t, st.Trailer())
	})
}
