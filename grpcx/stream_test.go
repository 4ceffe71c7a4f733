package grpcx_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
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

// ledger is a budget that allows all and counts what was not ended.
type ledger struct{ open, ended, alive atomic.Int64 }

func (l *ledger) Begin(time.Time) budget.Permit { l.open.Add(1); return 0 }
func (l *ledger) Admit(time.Time, budget.Kind, budget.Evidence, budget.Permit) (budget.Permit, bool) {
	l.open.Add(1)
	return 0, true
}

func (l *ledger) End(_ time.Time, _ budget.Permit, e budget.Evidence) {
	l.open.Add(-1)
	l.ended.Add(1)
	if e == budget.Alive {
		l.alive.Add(1)
	}
}

func booked(l *ledger) func(*retry.Config) {
	return func(c *retry.Config) { c.Budget = budget.Shared(l) }
}

func TestServerStreamIsRetriedBeforeTheFirstMessageAndNeverAfter(t *testing.T) {
	var books ledger
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		require.NoError(t, st.Send(out("a")))
		require.NoError(t, st.Send(out("b")))
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t, booked(&books))).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	got, err := drain(st)
	require.Equal(t, []string{"a", "b"}, got)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 3, s.calls.Load())
	require.Zero(t, books.open.Load())
	require.EqualValues(t, 1, books.alive.Load())
}

func TestServerStreamThatSentOnlyAHeaderIsRetriedUnlessTheCallerHasSeenIt(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		require.NoError(t, st.SendHeader(metadata.Pairs("from", fmt.Sprint(n))))
		if n == 1 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	c := dial(t, serve(t, s), policy(t))
	st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	got, err := drain(st)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got)
	header, err := st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, header.Get("from"))

	s.calls.Store(0)
	st, err = c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err = st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, header.Get("from"))
	_, err = drain(st)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 1, s.calls.Load())
}

func TestStreamHeaderWaitsForTheAttemptThatHasOne(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		st.SetTrailer(metadata.Pairs("end", fmt.Sprint(n)))
		return st.SendHeader(metadata.Pairs("from", fmt.Sprint(n)))
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err := st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"3"}, header.Get("from"))
	_, err = st.Recv()
	require.Equal(t, io.EOF, err)
	require.Equal(t, []string{"3"}, st.Trailer().Get("end"))
}

func TestStreamHeaderOfACallThatFailsIsNilAndRecvTells(t *testing.T) {
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err := st.Header()
	require.NoError(t, err)
	require.Nil(t, header)
	for range 2 {
		_, err = st.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	}
	require.EqualValues(t, 3, s.calls.Load())
}

func TestStreamThatEndsWithoutAHeaderOrMessageIsASuccess(t *testing.T) {
	var books ledger
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return nil
	}
	c := dial(t, serve(t, s), policy(t, booked(&books)))
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
	require.EqualValues(t, 2, books.alive.Load())
	require.Zero(t, books.open.Load())
}

// collect takes all that the client sends.
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

func TestClientStreamIsReplayedWithTheBytesThatWereSent(t *testing.T) {
	s := newService()
	var got [][]string
	s.input = func(n int, st testgrpc.TestService_StreamingInputCallServer) error {
		all, err := collect(st)
		require.NoError(t, err)
		got = append(got, all)
		if n < 3 {
			return unavailable()
		}
		return st.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingInputCall(t.Context())
	require.NoError(t, err)
	m := in("")
	for _, text := range []string{"a", "bc", "d"} {
		m.Payload.Body = append(m.Payload.Body[:0], text...) // the message is used again
		require.NoError(t, st.Send(m))
	}
	reply, err := st.CloseAndRecv()
	require.NoError(t, err)
	require.EqualValues(t, 3, reply.AggregatedPayloadSize)
	require.Equal(t, [][]string{{"a", "bc", "d"}, {"a", "bc", "d"}, {"a", "bc", "d"}}, got)
}

func TestClientStreamThatBreaksWhileTheCallerSendsIsReplayed(t *testing.T) {
	s := newService()
	var last []string
	s.input = func(n int, st testgrpc.TestService_StreamingInputCallServer) error {
		if n < 3 {
			_, _ = st.Recv()
			return unavailable()
		}
		var err error
		last, err = collect(st)
		require.NoError(t, err)
		return st.SendAndClose(&testgrpc.StreamingInputCallResponse{})
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingInputCall(t.Context())
	require.NoError(t, err)
	var want []string
	for i := range 200 {
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
		want = append(want, fmt.Sprint(i))
		require.NoError(t, st.Send(in(want[i])))
	}
	_, err = st.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, want, last)
	require.EqualValues(t, 3, s.calls.Load())
}

func TestClientStreamAboveTheBufferIsSentOnceAndPassesThrough(t *testing.T) {
	for name, option := range map[string]struct {
		dial []grpcx.Option
		call []grpc.CallOption
	}{
		"default":     {},
		"option":      {dial: []grpcx.Option{grpcx.WithReplayBuffer(10)}},
		"none":        {dial: []grpcx.Option{grpcx.WithReplayBuffer(0)}},
		"call option": {call: []grpc.CallOption{grpc.MaxRetryRPCBufferSize(10)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			var size atomic.Int64
			s.input = func(_ int, st testgrpc.TestService_StreamingInputCallServer) error {
				all, err := collect(st)
				for _, m := range all {
					size.Add(int64(len(m)))
				}
				require.NoError(t, err)
				return unavailable()
			}
			st, err := dial(t, serve(t, s), policy(t), option.dial...).StreamingInputCall(t.Context(), option.call...)
			require.NoError(t, err)
			body := string(make([]byte, 100_000))
			for range 5 {
				require.NoError(t, st.Send(in(body)))
			}
			_, err = st.CloseAndRecv()
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, retry.ReasonNotReplayable, reason(t, err))
			require.EqualValues(t, 1, s.calls.Load())
			require.EqualValues(t, 500_000, size.Load())
		})
	}
}

func TestBidiStreamIsReplayedUntilTheHeaderCommits(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		m, err := st.Recv()
		require.NoError(t, err)
		switch n {
		case 1:
			return unavailable()
		case 2:
			require.NoError(t, st.SendHeader(metadata.Pairs("from", "2")))
			return unavailable()
		}
		return st.Send(out(string(m.Payload.Body)))
	}
	st, err := dial(t, serve(t, s), policy(t)).FullDuplexCall(t.Context())
	require.NoError(t, err)
	require.NoError(t, st.Send(both("x")))
	_, err = st.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 2, s.calls.Load())
	header, _ := st.Header()
	require.Equal(t, []string{"2"}, header.Get("from"))
}

func TestBidiStreamSendsAndReceivesOnTwoGoroutinesThroughRetries(t *testing.T) {
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

// The server waits for a message that the client sends only later: the receiver that replaced the attempt must not
// keep the sender out.
func TestBidiStreamASenderIsNotKeptOutByAReceiverThatWaits(t *testing.T) {
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

func TestStreamAttemptTimeoutBoundsItsBeginningAndNotItsLife(t *testing.T) {
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

func TestStreamAttemptTimeoutRunsOutAsTimeoutAndSaysSo(t *testing.T) {
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

func TestStreamAttemptTimeoutDoesNotCountTheCallersPauses(t *testing.T) {
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

func TestStreamContextTiesTheCallToTheAttempt(t *testing.T) {
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

func TestStreamPushbackIsObeyed(t *testing.T) {
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

func TestStreamOptionsShowTheFinalAttemptAndFinishOnce(t *testing.T) {
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

func TestStreamOnFinishMayUseTheStream(t *testing.T) {
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

func TestStreamWhoseCallerCancelsIsReleased(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()){
		"and is never touched again": func(_ *testing.T, _ testgrpc.TestService_FullDuplexCallClient, cancel func()) { cancel() },
		"and receives": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			cancel()
			_, err := st.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
			require.ErrorIs(t, err, context.Canceled)
		},
		"while it receives": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			time.AfterFunc(time.Second, cancel)
			_, err := st.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
			require.Equal(t, retry.ReasonCanceled, reason(t, err))
		},
		"and sends": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			cancel()
			synctest.Wait()
			require.Equal(t, io.EOF, st.Send(both("x")))
			require.NoError(t, st.CloseSend())
			_, err := st.Header()
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
					<-st.Context().Done()
					return st.Context().Err()
				}
				var books ledger
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				finished := 0
				st, err := dial(t, to, policy(t, booked(&books))).FullDuplexCall(ctx, grpc.OnFinish(func(error) { finished++ }))
				require.NoError(t, err)
				synctest.Wait()
				leave(t, st, cancel)
				synctest.Wait()
				require.Zero(t, books.open.Load())
				require.Equal(t, 1, finished)
			})
		})
	}
}

func TestStreamAbandonedByClosingTheConnectionIsReleased(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			<-st.Context().Done()
			return st.Context().Err()
		}
		var books ledger
		var of context.Context // the attempt's
		see := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			of = ctx
			return streamer(ctx, desc, cc, method, opts...)
		}
		cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t, booked(&books))), to, grpc.WithChainStreamInterceptor(see))...)
		_, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, books.open.Load())
		require.NoError(t, of.Err())
		require.NoError(t, cc.Close())
		synctest.Wait()
		require.Zero(t, books.open.Load())
		require.Error(t, of.Err(), "it is not registered on the caller's context any more")
	})
}

func TestStreamCancelDuringTheWaitReturnsPromptly(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
			return unavailable()
		}
		var books ledger
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		p := policy(t, booked(&books), func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		st, err := dial(t, to, p).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, codes.Canceled, status.Code(err))
		require.Zero(t, books.open.Load())
	})
}

func TestStreamThatCannotBeOpenedIsRetriedAndThenFails(t *testing.T) {
	s := newService()
	to := serve(t, s)
	n := 0
	flaky := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		if n++; n%4 != 0 {
			return nil, unavailable()
		}
		return streamer(ctx, desc, cc, method, opts...)
	}
	var books ledger
	c := dial(t, to, policy(t, booked(&books)))
	_ = c
	cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t, booked(&books))), to, grpc.WithChainStreamInterceptor(flaky))...)
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
	require.Zero(t, books.open.Load())
}

func TestStreamMessageThatCannotBeSentEndsTheCall(t *testing.T) {
	var books ledger
	st, err := dial(t, serve(t, newService()), policy(t, booked(&books))).StreamingInputCall(t.Context(), grpc.MaxCallSendMsgSize(5))
	require.NoError(t, err)
	err = st.Send(in("too large"))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	_, err = st.CloseAndRecv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Zero(t, books.open.Load())
}

func TestStreamObserversAreToldOfAttemptsAndCalls(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	var seen counter
	st, err := dial(t, serve(t, s), observed(t, &seen)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = drain(st)
	require.NoError(t, err)
	require.EqualValues(t, 3, seen.attempts.Load())
	require.EqualValues(t, 1, seen.calls.Load())
}

func TestStreamAttemptsHeaderOnResendsOnly(t *testing.T) {
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

func TestStreamServiceConfigTimeoutSpansItsLife(t *testing.T) {
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

func TestStreamWithPolicyIsForOneCall(t *testing.T) {
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
