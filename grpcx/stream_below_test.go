package grpcx_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// reopening is a stream of an interceptor that opens another one whenever RecvMsg fails.
type reopening struct {
	grpc.ClientStream
	open func() (grpc.ClientStream, error)
	sent []any
}

func (r *reopening) SendMsg(m any) error {
	r.sent = append(r.sent, m)
	return r.ClientStream.SendMsg(m)
}

func (r *reopening) RecvMsg(m any) error {
	for {
		err := r.ClientStream.RecvMsg(m)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		next, err := r.open()
		if err != nil {
			return err
		}
		r.ClientStream = next
		for _, m := range r.sent {
			if err := r.ClientStream.SendMsg(m); err != nil {
				return err
			}
		}
		if err := r.ClientStream.CloseSend(); err != nil {
			return err
		}
	}
}

// reopen retries streams below ours, as the retry interceptor of go-grpc-middleware does. It notes
// the context of each attempt of ours.
func reopen(of *[]context.Context) grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		*of = append(*of, ctx)
		open := func() (grpc.ClientStream, error) { return streamer(ctx, desc, cc, method, opts...) }
		st, err := open()
		return &reopening{ClientStream: st, open: open}, err
	}
}

func TestStream_InterceptorBelowReopens(t *testing.T) {
	for name, fails := range map[string]func(n int) (before, after bool){
		"before the first message": func(n int) (bool, bool) { return n < 3, false },
		"after a message":          func(n int) (bool, bool) { return false, n < 3 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
				before, after := fails(n)
				st.SetTrailer(metadata.Pairs("n", string(rune('0'+n))))
				if before {
					return unavailable()
				}
				if err := st.Send(out("a")); err != nil || after {
					return unavailable()
				}
				return st.Send(out("b"))
			}
			var attempts []context.Context
			var finished []error
			var trailer metadata.MD
			books := testkit.NewLedger()
			p := policy(t, booked(books), func(c *retry.Config) { c.MaxAttempts = 1 })
			cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(p), serve(t, s),
				grpc.WithChainStreamInterceptor(reopen(&attempts)))...)
			st, err := testgrpc.NewTestServiceClient(cc).StreamingOutputCall(t.Context(), both(""),
				grpc.Trailer(&trailer), grpc.OnFinish(func(err error) { finished = append(finished, err) }))
			require.NoError(t, err)
			var got string
			for {
				m, err := st.Recv()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				require.Empty(t, finished, "the call is not over")
				got += string(m.GetPayload().GetBody())
			}
			require.Equal(t, map[string]string{"before the first message": "ab", "after a message": "aaab"}[name], got)
			require.Equal(t, []error{nil}, finished)
			require.Equal(t, []string{"3"}, trailer.Get("n"))
			require.Len(t, attempts, 1)
			require.Error(t, attempts[0].Err(), "the attempt's context is released")
			books.Settled(t)
		})
	}
}

// panicking is a stream of an interceptor that panics when RecvMsg fails.
type panicking struct{ grpc.ClientStream }

func (p panicking) RecvMsg(m any) error {
	err := p.ClientStream.RecvMsg(m)
	if err != nil {
		panic(err)
	}
	return nil
}

func TestStream_PanicBelowLeavesNothing(t *testing.T) {
	for name, first := range map[string]bool{"before the first message": true, "after a message": false} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
				if !first {
					_ = st.Send(out("a"))
				}
				return unavailable()
			}
			var attempt context.Context
			finished := 0
			books := testkit.NewLedger()
			below := func(
				ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
				opts ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				attempt = ctx
				st, err := streamer(ctx, desc, cc, method, opts...)
				return panicking{st}, err
			}
			p := policy(t, booked(books), func(c *retry.Config) { c.MaxAttempts = 1 })
			cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(p), serve(t, s), grpc.WithChainStreamInterceptor(below))...)
			st, err := testgrpc.NewTestServiceClient(cc).StreamingOutputCall(t.Context(), both(""),
				grpc.OnFinish(func(error) { finished++ }))
			require.NoError(t, err)
			if !first {
				_, err := st.Recv()
				require.NoError(t, err)
			}
			require.Panics(t, func() { _, _ = st.Recv() })
			require.Error(t, attempt.Err(), "the attempt's context is released")
			require.Equal(t, 1, finished)
			books.Settled(t)
		})
	}
}

// handshake waits for the first message of each stream before it hands the stream on.
func handshake(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
	opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	st, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	return st, st.RecvMsg(out(""))
}

// What a server answers while an interceptor opens a stream is no stream that was never sent.
func TestStream_AnswerToInterceptorBelow(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		opt  grpcx.Option
		sent int64
	}{
		"declared":     {status.Error(codes.Aborted, "no"), declareAll, 3},
		"undeclared":   {status.Error(codes.Aborted, "no"), grpcx.WithStrictIdempotency(), 1},
		"strict":       {unavailable(), grpcx.WithStrictIdempotency(), 1},
		"a refusal":    {status.Error(codes.NotFound, "no"), declareAll, 1},
		"conventional": {unavailable(), grpcx.WithReplayBuffer(0), 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return row.err }
			cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t), row.opt), serve(t, s),
				grpc.WithChainStreamInterceptor(handshake))...)
			_, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
			require.Equal(t, status.Code(row.err), status.Code(err))
			require.Equal(t, row.sent, s.calls.Load())
		})
	}
}
