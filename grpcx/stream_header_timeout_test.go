package grpcx_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// replacedStream is broken, silent or good, in that order.
type replacedStream struct {
	grpc.ClientStream
	ctx      context.Context
	number   int
	replaces chan struct{} // closed when the sender waits for the first's header
	both     chan struct{} // closed when somebody else does too
}

func (f *replacedStream) Context() context.Context { return f.ctx }
func (f *replacedStream) Trailer() metadata.MD     { return nil }

func (f *replacedStream) SendMsg(any) error {
	if f.number > 1 {
		return nil
	}
	return io.EOF
}

func (f *replacedStream) Header() (metadata.MD, error) {
	switch f.number {
	case 1:
		select {
		case <-f.replaces:
			close(f.both)
		default:
			close(f.replaces)
		}
		<-f.both
		return nil, nil
	case 2:
		<-f.ctx.Done()
		return nil, nil
	}
	return metadata.Pairs("attempt", "3"), nil
}

func (f *replacedStream) RecvMsg(any) error {
	switch f.number {
	case 1:
		return unavailable()
	case 2:
		<-f.ctx.Done()
		return status.FromContextError(f.ctx.Err()).Err()
	}
	return errors.New("not asked")
}

// A sender that finds its stream broken puts another in its place, and leaves. Whoever waits for
// the header then is the one who minds the attempt's timeout.
func TestStream_HeaderTimeoutWhileSenderReplaces(t *testing.T) {
	p, err := retry.New(retry.Config{
		Backoff: backoff.None(), ThrottledBackoff: backoff.None(), AttemptTimeout: timeout.Fixed(time.Second),
		Budget: budget.Unlimited{},
	})
	require.NoError(t, err)
	open := grpcx.StreamClientInterceptor(p)
	for range 10000 {
		synctest.Test(t, func(t *testing.T) {
			n, replaces, awaited := 0, make(chan struct{}), make(chan struct{})
			ctx := retry.WithIdempotency(t.Context(), retry.Idempotent)
			st, err := open(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nil, duplexCall, func(
				ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				n++
				return &replacedStream{ctx: ctx, number: n, replaces: replaces, both: awaited}, nil
			})
			require.NoError(t, err)
			sent := make(chan error)
			go func() { sent <- st.SendMsg(both("")) }()
			<-replaces
			header, err := st.Header()
			require.NoError(t, err)
			require.Equal(t, []string{"3"}, header.Get("attempt"))
			require.NoError(t, <-sent)
		})
	}
}

// The goroutine that receives, and that minds the attempt's timeout, may be late to learn of a
// header that another has given to the caller: the timeout must not end that stream.
func TestServerStream_TimeoutAfterHeaderWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, asked, learns := 0, 0, make(chan struct{})
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		st, err := grpcx.StreamClientInterceptor(p)(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, outputCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.header = func() (metadata.MD, error) {
					if asked++; asked == 1 {
						<-learns
					}
					return metadata.MD{}, nil
				}
				s.recv = func(any) error { return ctx.Err() }
				return s, nil
			}))
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- st.RecvMsg(out("")) }()
		synctest.Wait()
		header, err := st.Header()
		require.NoError(t, err)
		require.NotNil(t, header)
		time.Sleep(2 * time.Second)
		close(learns)
		require.NoError(t, <-done)
		require.Equal(t, 1, n)
	})
}

// The server sends its header at once, but does not read what is replayed until the attempt's
// timeout has passed.
func TestBidiStream_HeaderOfReplayThatTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
		st, err := grpcx.StreamClientInterceptor(p, grpcx.WithIdempotentMethods(duplexCall))(t.Context(), bidi, nil, duplexCall,
			streams(&n, func(ctx context.Context) (grpc.ClientStream, error) {
				s := dead(ctx, metadata.MD{}, unavailable())
				s.send = func(any) error { return nil }
				return s, nil
			}, func(ctx context.Context) (grpc.ClientStream, error) {
				s := well(ctx)
				s.send = func(any) error { <-ctx.Done(); return io.EOF }
				s.recv = func(any) error { return status.FromContextError(ctx.Err()).Err() }
				return s, nil
			}, func(ctx context.Context) (grpc.ClientStream, error) { return well(ctx), nil }))
		require.NoError(t, err)
		require.NoError(t, st.SendMsg(both("x")))
		require.NoError(t, st.RecvMsg(both("")))
		require.Equal(t, 3, n)
	})
}
