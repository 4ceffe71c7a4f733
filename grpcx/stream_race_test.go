package grpcx_test

import (
	"context"
	"fmt"
	"io"
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

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A message that cannot be sent ends the stream, and with it what another goroutine is receiving.
func TestBidiStream_SendErrorEndsReceive(t *testing.T) {
	s := newService()
	s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
		<-st.Context().Done()
		return st.Context().Err()
	}
	c := dial(t, serve(t, s), policy(t))
	for range 50 {
		books := testkit.NewLedger()
		st, err := c.FullDuplexCall(t.Context(), grpc.MaxCallSendMsgSize(10), grpcx.WithPolicy(policy(t, booked(books))))
		require.NoError(t, err)
		var received error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, received = st.Recv()
		}()
		err = st.Send(both("far more than ten bytes"))
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		<-done
		require.Error(t, received)
		_, err = st.Recv()
		require.Error(t, err)
		books.Settled(t)
	}
	require.LessOrEqual(t, s.calls.Load(), int64(50), "none is sent again")
}

// scripted is a stream of gRPC-Go's make that does what the test says.
type scripted struct {
	ctx     context.Context
	send    func(m any) error
	header  func() (metadata.MD, error)
	recv    func(m any) error
	trailer metadata.MD
}

func (s *scripted) Header() (metadata.MD, error) { return s.header() }
func (s *scripted) Trailer() metadata.MD         { return s.trailer }
func (s *scripted) CloseSend() error             { return nil }
func (s *scripted) Context() context.Context     { return s.ctx }
func (s *scripted) SendMsg(m any) error          { return s.send(m) }
func (s *scripted) RecvMsg(m any) error          { return s.recv(m) }

// dead returns a stream that failed with err.
func dead(ctx context.Context, trailer metadata.MD, err error) *scripted {
	return &scripted{
		ctx:     ctx,
		send:    func(any) error { return io.EOF },
		header:  func() (metadata.MD, error) { return nil, nil },
		recv:    func(any) error { return err },
		trailer: trailer,
	}
}

// well returns a stream that accepts every message and answers with one.
func well(ctx context.Context) *scripted {
	return &scripted{
		ctx:     ctx,
		send:    func(any) error { return nil },
		header:  func() (metadata.MD, error) { return metadata.MD{}, nil },
		recv:    func(any) error { return nil },
		trailer: metadata.MD{},
	}
}

// streams opens one of several streams for each attempt in turn, the last for all others.
func streams(opened *int, each ...func(ctx context.Context) (grpc.ClientStream, error)) grpc.Streamer {
	return func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		*opened++
		return each[min(*opened, len(each))-1](ctx)
	}
}

var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// stall is an observer that lets something else happen while it is told of an attempt.
type stall struct{ during func() }

func (o stall) AttemptDone(context.Context, retry.Attempt) { o.during() }
func (stall) CallDone(context.Context, retry.Report)       {}

func TestBidiStream_MessageArrivesDuringSendError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive := make(chan struct{})
		var once atomic.Bool // a goroutine that waits for a mutex is not idle to synctest
		p, err := retry.New(retry.Config{}, retry.WithObserver(stall{func() {
			if once.CompareAndSwap(false, true) {
				close(arrive)
				time.Sleep(time.Second) // the receiver goes as far as it can
			}
		}}))
		require.NoError(t, err)
		n := 0
		st, err := grpcx.StreamClientInterceptor(p)(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, outputCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.send = func(any) error { return status.Error(codes.Internal, "grpc: error while marshaling: no") }
				s.recv = func(any) error {
					<-arrive
					s.recv = func(any) error { return status.FromContextError(context.Canceled).Err() }
					return nil
				}
				return s, nil
			}))
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- st.RecvMsg(both("")) }()
		synctest.Wait()
		require.Equal(t, codes.Internal, status.Code(st.SendMsg(both("x"))))
		require.NoError(t, <-done, "it did arrive")
		require.Equal(t, codes.Internal, status.Code(st.RecvMsg(both(""))))
		require.Equal(t, 1, n)
	})
}

// slowEnd is a budget that takes a second to record the end of an attempt.
type slowEnd struct{ budget.Budget }

func (slowEnd) End(time.Time, budget.Permit, budget.Evidence) { time.Sleep(time.Second) }

func TestBidiStream_SentOnceWhileAnswerBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive, sent, n := make(chan struct{}), 0, 0
		p := policy(t, func(c *retry.Config) { c.Budget = budget.Shared(slowEnd{budget.Unlimited{}.New()}) })
		st, err := grpcx.StreamClientInterceptor(p)(t.Context(), bidi, nil, duplexCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.send = func(any) error {
					if sent++; sent == 1 {
						close(arrive)
						synctest.Wait() // the receiver settles the call
					}
					return nil
				}
				s.header = func() (metadata.MD, error) { <-arrive; return metadata.MD{}, nil }
				return s, nil
			}))
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- st.RecvMsg(both("")) }()
		require.NoError(t, st.SendMsg(both("x")))
		require.NoError(t, <-done)
		require.Equal(t, 1, sent)
		require.Equal(t, 1, n)
	})
}

func TestBidiStream_SentAgainWhileReplayGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail, n := make(chan struct{}), 0
		var again []any // sent on the second attempt
		st, err := grpcx.StreamClientInterceptor(policy(t))(t.Context(), bidi, nil, duplexCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := dead(ctx, metadata.MD{}, unavailable())
				s.header = func() (metadata.MD, error) { <-fail; return nil, nil }
				sent := 0
				s.send = func(any) error {
					if sent++; sent == 2 {
						close(fail)
						synctest.Wait() // the receiver replays the first message
					}
					return nil
				}
				return s, nil
			}, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.send = func(m any) error {
					again = append(again, m)
					time.Sleep(time.Second)
					return nil
				}
				return s, nil
			}))
		require.NoError(t, err)
		require.NoError(t, st.SendMsg(both("x")))
		done := make(chan error)
		go func() { done <- st.RecvMsg(both("")) }()
		synctest.Wait()
		require.NoError(t, st.SendMsg(both("y")))
		require.NoError(t, <-done)
		require.Len(t, again, 2)
	})
}

// gRPC-Go's SendMsg may make a transparent retry, and then tells why there was no connection for
// that.
func TestBidiStream_ReplayedIfSendFindsNoConnection(t *testing.T) {
	books := testkit.NewLedger()
	n := 0
	st, err := grpcx.StreamClientInterceptor(policy(t, booked(books)))(t.Context(), bidi, nil, duplexCall,
		streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
			s := dead(ctx, nil, unavailable())
			s.send = func(any) error { return unavailable() }
			return s, nil
		}, func(ctx context.Context) (grpc.ClientStream, error) { return well(ctx), nil }))
	require.NoError(t, err)
	require.NoError(t, st.SendMsg(both("x")))
	require.NoError(t, st.RecvMsg(both("")))
	require.Equal(t, 2, n)
	books.Settled(t)
}

// The header comes in the very moment that the attempt's time is over: the stream is cancelled,
// and no answer.
func TestStream_HeaderAtTimeoutIsTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, viaHeader := range []bool{false, true} {
			n := 0
			p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
			open := grpcx.StreamClientInterceptor(p, grpcx.WithIdempotentMethods(outputCall))
			st, err := open(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, outputCall,
				streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
					s := well(ctx)
					s.header = func() (metadata.MD, error) { <-ctx.Done(); return metadata.MD{}, nil }
					return s, nil
				}, func(ctx context.Context) (grpc.ClientStream, error) {
					s := well(ctx)
					s.recv = func(any) error { return ctx.Err() }
					return s, nil
				}))
			require.NoError(t, err)
			if viaHeader {
				header, err := st.Header()
				require.NoError(t, err)
				require.NotNil(t, header)
			}
			require.NoError(t, st.RecvMsg(out("")), "the stream must still be alive")
			require.Equal(t, 2, n)
		}
	})
}

func TestStream_LostAttemptsTrailerNotShown(t *testing.T) {
	n := 0
	var header, trailer metadata.MD
	st, err := grpcx.StreamClientInterceptor(policy(t))(t.Context(), bidi, nil, duplexCall,
		streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
			return dead(ctx, metadata.Pairs("from", "1"), unavailable()), nil
		}, func(context.Context) (grpc.ClientStream, error) {
			return nil, status.Error(codes.Unavailable, "nobody there")
		}), grpc.Header(&header), grpc.Trailer(&trailer))
	require.NoError(t, err)
	err = st.RecvMsg(both(""))
	require.Equal(t, "nobody there", status.Convert(err).Message())
	require.Equal(t, 3, n)
	require.Empty(t, st.Trailer())
	require.Empty(t, trailer)
	require.NotNil(t, st.Context())
	require.NoError(t, st.CloseSend())
	require.Equal(t, io.EOF, st.SendMsg(both("x")))
	md, err := st.Header()
	require.Nil(t, md)
	require.NoError(t, err)
}

func TestForeignStream_WithoutHeaderIsReleased(t *testing.T) {
	n, finished := 0, 0
	var of context.Context
	st, err := grpcx.StreamClientInterceptor(policy(t))(t.Context(), bidi, nil, duplexCall,
		streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
			of = ctx
			return dead(ctx, nil, io.EOF), nil
		}), grpc.OnFinish(func(error) { finished++ }))
	require.NoError(t, err)
	header, err := st.Header()
	require.Nil(t, header)
	require.NoError(t, err)
	require.Equal(t, io.EOF, st.RecvMsg(both("")))
	require.Error(t, of.Err())
	require.Equal(t, 1, finished)
}

// What panics is somebody else's code: an interceptor behind ours, say.
func TestStream_PanicLeavesNothing(t *testing.T) {
	boom := func(context.Context) (grpc.ClientStream, error) { panic("boom") }
	for _, at := range []int{1, 2} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			books := testkit.NewLedger()
			var ctxs []context.Context
			n := 0
			each := []func(context.Context) (grpc.ClientStream, error){
				func(ctx context.Context) (grpc.ClientStream, error) {
					return dead(ctx, metadata.MD{}, unavailable()), nil
				}, boom,
			}[2-at:]
			open := streams(&n, each...)
			finished := 0
			var st grpc.ClientStream
			require.PanicsWithValue(t, "boom", func() {
				st, _ = grpcx.StreamClientInterceptor(policy(t, booked(books)))(t.Context(), bidi, nil, duplexCall,
					func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, m string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
						ctxs = append(ctxs, ctx)
						return open(ctx, d, cc, m, opts...)
					}, grpc.OnFinish(func(error) { finished++ }))
				_ = st.RecvMsg(both(""))
			})
			books.Settled(t)
			for _, ctx := range ctxs {
				require.Error(t, ctx.Err())
			}
			require.LessOrEqual(t, finished, 1)
			if at == 2 { // whoever recovered may ask again, and another goroutine may be sending
				require.Error(t, st.RecvMsg(both("")))
				require.Equal(t, io.EOF, st.SendMsg(both("")))
			}
		})
	}
}
