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

// mendedStream is broken, silent or good, in that order.
type mendedStream struct {
	grpc.ClientStream
	ctx    context.Context
	number int
	mends  chan struct{} // closed when the sender waits for the first's header
	both   chan struct{} // closed when somebody else does too
}

func (f *mendedStream) Context() context.Context { return f.ctx }
func (f *mendedStream) Trailer() metadata.MD     { return nil }

func (f *mendedStream) SendMsg(any) error {
	if f.number > 1 {
		return nil
	}
	return io.EOF
}

func (f *mendedStream) Header() (metadata.MD, error) {
	switch f.number {
	case 1:
		select {
		case <-f.mends:
			close(f.both)
		default:
			close(f.mends)
		}
		<-f.both
		return nil, nil
	case 2:
		<-f.ctx.Done()
		return nil, nil
	}
	return metadata.Pairs("attempt", "3"), nil
}

func (f *mendedStream) RecvMsg(any) error {
	switch f.number {
	case 1:
		return unavailable()
	case 2:
		<-f.ctx.Done()
		return status.FromContextError(f.ctx.Err()).Err()
	}
	return errors.New("not asked")
}

// A sender that finds its stream broken puts another in its place, and leaves. Whoever waits for the header then is the
// one who minds the attempt's timeout.
func TestTheTimeoutHoldsForAHeaderAwaitedWhileASenderMendsTheStream(t *testing.T) {
	p, err := retry.New(retry.Config{
		Backoff: backoff.None(), ThrottledBackoff: backoff.None(), AttemptTimeout: timeout.Fixed(time.Second),
		Budget: budget.Unlimited{},
	})
	require.NoError(t, err)
	open := grpcx.StreamClientInterceptor(p)
	for range 10000 {
		synctest.Test(t, func(t *testing.T) {
			n, mends, awaited := 0, make(chan struct{}), make(chan struct{})
			ctx := retry.WithIdempotency(t.Context(), retry.Idempotent)
			st, err := open(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, nil, duplexCall, func(
				ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				n++
				return &mendedStream{ctx: ctx, number: n, mends: mends, both: awaited}, nil
			})
			require.NoError(t, err)
			sent := make(chan error)
			go func() { sent <- st.SendMsg(both("")) }()
			<-mends
			header, err := st.Header()
			require.NoError(t, err)
			require.Equal(t, []string{"3"}, header.Get("attempt"))
			require.NoError(t, <-sent)
		})
	}
}
