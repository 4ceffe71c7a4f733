package grpcx_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
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
)

// hooked is a stream of an interceptor below ours. Each hook is called, unless it is nil.
type hooked struct {
	grpc.ClientStream
	drops   bool            // OnFinish is not passed on
	fails   bool            // opening fails, and is repeated below ours
	opened  func()          // after the stream was opened
	send    func()          // before SendMsg
	sent    func()          // after it
	receive func(err error) // after RecvMsg
}

func (h *hooked) SendMsg(m any) error {
	if h.send != nil {
		h.send()
	}
	err := h.ClientStream.SendMsg(m)
	if h.sent != nil {
		h.sent()
	}
	return err
}

func (h *hooked) RecvMsg(m any) error {
	err := h.ClientStream.RecvMsg(m)
	if h.receive != nil {
		h.receive(err)
	}
	return err
}

// releasing dials with p and puts h below our interceptor. released requires that the only
// attempt's context has ended, and that the caller's OnFinish was called once.
func releasing(t *testing.T, to grpc.DialOption, p *retry.Policy, h *hooked, patience time.Duration) (
	c testgrpc.TestServiceClient, released func(),
) {
	var attempt context.Context
	var finished atomic.Int64
	below := func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		attempt = ctx
		if patience > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, patience)
			t.Cleanup(cancel)
		}
		var err error
		if h.drops {
			opts = slices.DeleteFunc(opts, func(o grpc.CallOption) bool {
				_, dropped := o.(grpc.OnFinishCallOption)
				return dropped
			})
		}
		if h.fails {
			_, err := streamer(ctx, desc, cc, method, append(opts, grpc.UseCompressor("none such"))...)
			require.Error(t, err)
		}
		h.ClientStream, err = streamer(ctx, desc, cc, method, opts...)
		if h.opened != nil {
			h.opened()
		}
		return h, err
	}
	opts := append(grpcx.DialOptions(p), to, grpc.WithChainStreamInterceptor(below),
		grpc.WithDefaultCallOptions(finishes(&finished), grpc.Header(new(metadata.MD)), grpc.MaxCallSendMsgSize(20)))
	return testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...)), func() {
		synctest.Wait()
		require.Error(t, attempt.Err(), "the attempt's context")
		require.EqualValues(t, 1, finished.Load(), "calls of OnFinish")
	}
}

// twoMessages sends a header and two messages, and waits.
func twoMessages(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
	for range 2 {
		if err := st.Send(out("a")); err != nil {
			return err
		}
	}
	<-st.Context().Done()
	return st.Context().Err()
}

// A send error ends a stream, and gRPC asks the caller for nothing more. It must release the
// stream even if another goroutine is receiving, or the answer has begun in the meantime.
func TestBidiStream_SendErrorReleases(t *testing.T) {
	for name, row := range map[string]struct{ during, drops bool }{
		"while a message is received":                   {true, false},
		"while a message is received, OnFinish dropped": {true, true},
		"begun before the answer":                       {false, false},
		"begun before the answer, OnFinish dropped":     {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = twoMessages
				hold := make(chan struct{})
				h := &hooked{drops: row.drops}
				c, released := releasing(t, to, policy(t), h, 0)
				st, err := c.FullDuplexCall(t.Context())
				require.NoError(t, err)
				recv := func() error { _, err := st.Recv(); return err }
				send := func() error { return st.Send(both("more than twenty bytes")) }
				done := make(chan error)
				if row.during {
					require.NoError(t, recv())
					h.receive = func(error) { <-hold }
					go func() { done <- recv() }()
					synctest.Wait()
					require.Equal(t, codes.ResourceExhausted, status.Code(send()))
					close(hold)
					require.NoError(t, <-done)
				} else {
					h.send = func() { <-hold }
					go func() { done <- send() }()
					synctest.Wait()
					require.NoError(t, recv())
					close(hold)
					require.Equal(t, codes.ResourceExhausted, status.Code(<-done))
				}
				released()
			})
		})
	}
}

// A stream may end by itself, here by a timeout of an interceptor below, while one of its
// operations is under way that then returns well.
func TestBidiStream_EndDuringOperationReleases(t *testing.T) {
	linger := func() { time.Sleep(2 * time.Second) }
	for name, h := range map[string]*hooked{
		"opening":                    {opened: linger},
		"opening, at the same time":  {fails: true, opened: func() { time.Sleep(time.Second) }},
		"sending, before the answer": {sent: linger},
		"receiving a first message":  {receive: func(error) { linger() }},
		"receiving a second message": {receive: func(error) { time.Sleep(600 * time.Millisecond) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = twoMessages
				c, released := releasing(t, to, policy(t), h, time.Second)
				st, err := c.FullDuplexCall(t.Context())
				require.NoError(t, err)
				done := make(chan error)
				go func() { done <- st.Send(both("x")) }()
				synctest.Wait()
				_, err = st.Recv()
				require.NoError(t, err)
				sent := <-done
				if h.opened == nil {
					require.NoError(t, sent)
				}
				if strings.HasSuffix(name, "second message") {
					_, err = st.Recv()
					require.NoError(t, err)
				}
				released()
			})
		})
	}
}

// A goroutine's RecvMsg gets the stream's end and panics, after another's Header has settled the
// call.
func TestServerStream_PanicAfterHeaderReleases(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
			_ = st.SendHeader(nil)
			return unavailable()
		}
		hold := make(chan struct{})
		c, released := releasing(t, to, policy(t), &hooked{receive: func(error) { <-hold; panic("boom") }}, 0)
		st, err := c.StreamingOutputCall(t.Context(), both(""))
		require.NoError(t, err)
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			_, _ = st.Recv()
		}()
		synctest.Wait()
		header, err := st.Header()
		require.NoError(t, err)
		require.NotNil(t, header)
		close(hold)
		require.Equal(t, "boom", <-done)
		released()
	})
}

// endPanics is a budget whose End panics.
type endPanics struct{ budget.Budget }

func (endPanics) End(time.Time, budget.Permit, budget.Evidence) { panic("end") }

func TestBidiStream_PanicAtAnswerReleases(t *testing.T) {
	for name, fails := range map[string]bool{"opened once": false, "opened twice": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = twoMessages
				p := policy(t, func(c *retry.Config) { c.Budget = budget.Shared(endPanics{budget.Unlimited{}.New()}) })
				c, released := releasing(t, to, p, &hooked{fails: fails}, 0)
				st, err := c.FullDuplexCall(t.Context())
				require.NoError(t, err)
				require.PanicsWithValue(t, "end", func() { _, _ = st.Recv() })
				released()
			})
		})
	}
}

// A second panic, when the budget gets its permit back, must not leave a goroutine waiting.
func TestBidiStream_PanicTwiceWakesSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ends := 0, 0
		p := policy(t, func(c *retry.Config) {
			c.Budget = budget.Shared(endsWith{testkit.NewLedger(), func() {
				if ends++; ends == 2 {
					panic("end")
				}
			}})
		})
		hold := make(chan struct{})
		st, err := grpcx.StreamClientInterceptor(p)(t.Context(), bidi, nil, duplexCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				return dead(ctx, metadata.MD{}, unavailable()), nil
			}, func(context.Context) (grpc.ClientStream, error) { <-hold; panic("boom") }))
		require.NoError(t, err)
		done := make(chan error)
		go func() {
			defer func() { done <- nil }()
			defer func() { _ = recover() }()
			_ = st.RecvMsg(both(""))
		}()
		synctest.Wait()
		go func() { done <- st.SendMsg(both("x")) }()
		synctest.Wait()
		close(hold)
		<-done
		<-done
		require.Error(t, st.RecvMsg(both("")))
		require.Equal(t, 2, ends)
	})
}

// endsWith is a budget that calls a function at each end.
type endsWith struct {
	budget.Budget
	f func()
}

func (b endsWith) End(now time.Time, p budget.Permit, e budget.Evidence) {
	b.Budget.End(now, p, e)
	b.f()
}

// An interceptor below may open a stream more than once for one attempt, as the retry interceptor
// of go-grpc-middleware does.
func TestStream_InterceptorBelowReopensUnopened(t *testing.T) {
	for name, failing := range map[string]int{"the first attempt": 1, "a retry": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
					if n < failing {
						return unavailable()
					}
					return twoMessages(n, st)
				}
				attempts := 0
				below := func(
					ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
					opts ...grpc.CallOption,
				) (grpc.ClientStream, error) {
					if attempts++; attempts == failing {
						_, err := streamer(ctx, desc, cc, method, append(opts, grpc.UseCompressor("none such"))...)
						require.Error(t, err)
					}
					return streamer(ctx, desc, cc, method, opts...)
				}
				cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(policy(t)), to, grpc.WithChainStreamInterceptor(below))...)
				st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
				require.NoError(t, err)
				synctest.Wait()
				require.NoError(t, st.Send(both("x")))
				synctest.Wait()
				_, err = st.Recv()
				require.NoError(t, err)
				require.Equal(t, failing, attempts)
			})
		})
	}
}

// The one message of a server that does not stream ends the stream, whether gRPC-Go calls OnFinish
// or an interceptor has dropped the option.
func TestForeignStream_OnlyMessageReleases(t *testing.T) {
	for name, begun := range map[string]bool{"as the answer begins": false, "after Header": true} {
		t.Run(name, func(t *testing.T) {
			n, finished := 0, 0
			var attempt context.Context
			st, err := grpcx.StreamClientInterceptor(policy(t))(t.Context(), &grpc.StreamDesc{ClientStreams: true}, nil, inputCall,
				streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
					attempt = ctx
					return well(ctx), nil
				}), grpc.OnFinish(func(err error) { finished++; require.NoError(t, err) }))
			require.NoError(t, err)
			if begun {
				_, err = st.Header()
				require.NoError(t, err)
			}
			require.NoError(t, attempt.Err())
			require.NoError(t, st.RecvMsg(out("")))
			require.Error(t, attempt.Err())
			require.Equal(t, 1, finished)
		})
	}
}

// refusing is a stream of an interceptor below ours that refuses empty messages.
type refusing struct{ grpc.ClientStream }

func (r refusing) SendMsg(m any) error {
	if len(m.(*testgrpc.StreamingOutputCallRequest).GetPayload().GetBody()) == 0 {
		return status.Error(codes.InvalidArgument, "empty")
	}
	return r.ClientStream.SendMsg(m)
}

// What an interceptor below refuses does not end a stream whose answer has begun.
func TestBidiStream_RefusedBelowGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		below := func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
			opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			st, err := streamer(ctx, desc, cc, method, opts...)
			return refusing{st}, err
		}
		s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
			_ = st.SendHeader(nil)
			_, err := st.Recv()
			return errors.Join(err, st.Send(out("a")))
		}
		cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(policy(t)), to, grpc.WithChainStreamInterceptor(below))...)
		st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
		require.NoError(t, err)
		_, err = st.Header()
		require.NoError(t, err)
		require.Equal(t, codes.InvalidArgument, status.Code(st.Send(both(""))))
		require.NoError(t, st.Send(both("x")))
		_, err = st.Recv()
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, io.EOF, err)
	})
}
