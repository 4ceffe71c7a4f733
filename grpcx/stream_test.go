package grpcx_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

func out(text string) *testgrpc.StreamingOutputCallResponse {
	return &testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: []byte(text)}}
}

func in(text string) *testgrpc.StreamingInputCallRequest {
	return &testgrpc.StreamingInputCallRequest{Payload: &testgrpc.Payload{Body: []byte(text)}}
}

func both(text string) *testgrpc.StreamingOutputCallRequest {
	return &testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte(text)}}
}

// drain receives until the end.
func drain(s interface {
	Recv() (*testgrpc.StreamingOutputCallResponse, error)
},
) (got []string, err error) {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, string(m.Payload.Body))
	}
}

func booked(l *testkit.Ledger) func(*retry.Config) {
	return func(c *retry.Config) { c.Budget = budget.Shared(l) }
}

func TestServerStream_RetriedOnlyBeforeFirstMessage(t *testing.T) {
	books := testkit.NewLedger()
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		require.NoError(t, st.Send(out("a")))
		require.NoError(t, st.Send(out("b")))
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t, booked(books))).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	got, err := drain(st)
	require.Equal(t, []string{"a", "b"}, got)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 3, s.calls.Load())
	books.Settled(t)
	require.Equal(t, 1, books.Ended(budget.Alive))
}

func TestStream_EmptyIsSuccess(t *testing.T) {
	books := testkit.NewLedger()
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return nil
	}
	c := dial(t, serve(t, s), policy(t, booked(books)))
	for _, ask := range []bool{true, false} {
		st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		if ask {
			_, err = st.Header()
			require.NoError(t, err)
		}
		for range 2 {
			_, err = st.Recv()
			require.Equal(t, io.EOF, err)
		}
	}
	require.Equal(t, 2, books.Ended(budget.Alive))
	books.Settled(t)
}

// collect receives all that the client sends.
func collect(st testgrpc.TestService_StreamingInputCallServer) (got []string, err error) {
	for {
		m, err := st.Recv()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, string(m.Payload.Body))
	}
}

func TestBidiStream_ConcurrentSendRecvThroughRetries(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		for i := 0; ; i++ {
			m, err := st.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if n < 4 && i == n*3 {
				return unavailable()
			}
			if n < 4 {
				continue
			}
			if err := st.Send(out(string(m.Payload.Body))); err != nil {
				return err
			}
		}
	}
	c := dial(t, serve(t, s), policy(t, attempts(9)))
	for range 20 {
		s.calls.Store(0)
		st, err := c.FullDuplexCall(t.Context())
		require.NoError(t, err)
		var want, got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err = drain(st)
			require.NoError(t, err)
		})
		for i := range 50 {
			want = append(want, fmt.Sprint(i))
			require.NoError(t, st.Send(both(want[i])))
		}
		require.NoError(t, st.CloseSend())
		wg.Wait()
		require.Equal(t, want, got)
	}
}

// The server waits for a message that the client sends only later: the receiver that replaced the
// attempt must not keep the sender out.
func TestBidiStream_WaitingReceiverDoesNotBlockSender(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
			if n == 1 {
				time.Sleep(time.Second)
				return unavailable()
			}
			m, err := st.Recv()
			if err != nil {
				return err
			}
			return st.Send(out(string(m.Payload.Body)))
		}
		p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Minute) })
		st, err := dial(t, to, p).FullDuplexCall(t.Context())
		require.NoError(t, err)
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() { got, err = drain(st) })
		time.Sleep(10 * time.Second) // into the backoff
		require.NoError(t, st.Send(both("late")))
		wg.Wait()
		require.NoError(t, err)
		require.Equal(t, []string{"late"}, got)
	})
}

func TestStream_ContextCommits(t *testing.T) {
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	require.NotNil(t, st.Context())
	_, err = st.Recv()
	require.Equal(t, retry.ReasonCommitted, reason(t, err))
	require.EqualValues(t, 1, s.calls.Load())
}

func TestStream_PushbackIsObeyed(t *testing.T) {
	s := newService()
	s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		st.SetTrailer(metadata.Pairs("grpc-retry-pushback-ms", "-1"))
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, retry.ReasonNoRetry, reason(t, err))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 1, s.calls.Load())
}

func TestStream_OptionsShowLastAttempt(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		st.SetTrailer(metadata.Pairs("from", fmt.Sprint(n)))
		if n == 1 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	var trailer metadata.MD
	var finished []error
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{},
		grpc.Trailer(&trailer), grpc.OnFinish(func(err error) { finished = append(finished, err) }))
	require.NoError(t, err)
	_, err = drain(st)
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, trailer.Get("from"))
	require.Equal(t, []error{nil}, finished)
}

func TestStream_OnFinishMayUseStream(t *testing.T) {
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return status.Error(codes.NotFound, "no")
	}
	var st testgrpc.TestService_StreamingOutputCallClient
	var seen metadata.MD
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{},
		grpc.OnFinish(func(error) { seen = st.Trailer() }))
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, codes.NotFound, status.Code(err))
	require.NotNil(t, seen)
}

func TestStream_UnopenedIsRetriedThenFails(t *testing.T) {
	s := newService()
	to := serve(t, s)
	n := 0
	flaky := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		if n++; n%4 != 0 {
			return nil, unavailable()
		}
		return streamer(ctx, desc, cc, method, opts...)
	}
	books := testkit.NewLedger()
	c := dial(t, to, policy(t, booked(books)))
	_ = c
	cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t, booked(books))), to, grpc.WithChainStreamInterceptor(flaky))...)
	finished := 0
	_, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context(), grpc.OnFinish(func(error) { finished++ }))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	require.Equal(t, 1, finished)
	st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
	require.NoError(t, err, "the fourth is well")
	require.NoError(t, st.CloseSend())
	_, err = drain(st)
	require.NoError(t, err)
	books.Settled(t)
}

func TestStream_UnsendableMessageEndsCall(t *testing.T) {
	books := testkit.NewLedger()
	st, err := dial(t, serve(t, newService()), policy(t, booked(books))).StreamingInputCall(t.Context(), grpc.MaxCallSendMsgSize(5))
	require.NoError(t, err)
	err = st.Send(in("too large"))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	_, err = st.CloseAndRecv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	books.Settled(t)
}

func TestStream_AttemptsHeaderOnResendsOnly(t *testing.T) {
	s := newService()
	var seen [][]string
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		seen = append(seen, metadata.ValueFromIncomingContext(st.Context(), "grpc-previous-rpc-attempts"))
		if n < 3 {
			return unavailable()
		}
		return nil
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = drain(st)
	require.NoError(t, err)
	require.Equal(t, [][]string{nil, {"1"}, {"2"}}, seen)
}

func TestStream_WithPolicyAppliesToOneCall(t *testing.T) {
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{},
		grpcx.WithPolicy(policy(t, attempts(5))))
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 5, s.calls.Load())
}

func TestStream_AfterItsEnd(t *testing.T) {
	for _, last := range []error{nil, status.Error(codes.NotFound, "none")} {
		s := newService()
		s.duplex = func(n int, _ testgrpc.TestService_FullDuplexCallServer) error {
			if n == 1 {
				return unavailable()
			}
			return last
		}
		st, err := dial(t, serve(t, s), policy(t)).FullDuplexCall(t.Context())
		require.NoError(t, err)
		want := codes.NotFound
		if last == nil {
			want = codes.OK
		}
		for range 3 {
			_, err = st.Recv()
			if last == nil {
				require.Equal(t, io.EOF, err)
			} else {
				require.Equal(t, want, status.Code(err))
			}
			require.Equal(t, io.EOF, st.Send(both("x")), "the status is for RecvMsg to tell")
		}
		require.NoError(t, st.CloseSend())
		require.NoError(t, st.CloseSend())
		require.EqualValues(t, 2, s.calls.Load())
	}
}
