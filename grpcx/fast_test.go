package grpcx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// answer holds the metadata and the error of a scripted attempt.
type answer struct {
	err     error
	header  metadata.MD
	trailer metadata.MD
}

var answers = map[string]answer{
	"ok":       {header: metadata.Pairs("h", "1"), trailer: metadata.Pairs("t", "1")},
	"down":     {err: status.Error(codes.Unavailable, "down"), trailer: metadata.Pairs("content-type", "x")},
	"unsent":   {err: status.Error(codes.Unavailable, "no connection")},
	"busy":     {err: status.Error(codes.ResourceExhausted, "busy"), trailer: metadata.Pairs("grpc-retry-pushback-ms", "0")},
	"no":       {err: status.Error(codes.Unavailable, "no"), trailer: metadata.Pairs("grpc-retry-pushback-ms", "-1")},
	"wrong":    {err: status.Error(codes.InvalidArgument, "wrong"), header: metadata.Pairs("h", "2")},
	"foreign":  {err: errors.New("no status")},
	"internal": {err: status.Error(codes.Internal, "internal"), trailer: metadata.MD{}},
}

// played returns the result of a call whose attempts end by the script, and what they sent.
func played(ctx context.Context, script []string, callOpts []grpc.CallOption, opts ...retry.Option) (string, error) {
	p, err := retry.New(retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None()}, opts...)
	if err != nil {
		return "", err
	}
	var sent []string
	invoke := func(ctx context.Context, method string, _, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		a := answers[script[min(len(sent), len(script)-1)]]
		md, _ := metadata.FromOutgoingContext(ctx)
		_, timed := ctx.Deadline()
		sent = append(sent, fmt.Sprint(method, md, timed, len(opts), reply))
		for _, o := range opts {
			switch o := o.(type) {
			case grpc.HeaderCallOption:
				*o.HeaderAddr = a.header
			case grpc.TrailerCallOption:
				*o.TrailerAddr = a.trailer
			}
		}
		reply.(*wrapperspb.StringValue).Value = fmt.Sprint("answer ", len(sent))
		return a.err
	}
	reply := new(wrapperspb.StringValue)
	err = grpcx.UnaryClientInterceptor(p)(ctx, unaryCall, nil, reply, nil, invoke, callOpts...)
	return fmt.Sprintf("%v %q %q", err, reply.Value, sent), nil
}

func TestUnary_SameWithoutTheDriver(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	over, end := context.WithCancel(t.Context())
	end()
	for name, ctx := range map[string]context.Context{
		"plain": t.Context(), "deadline": late, "canceled": over,
		"metadata": metadata.AppendToOutgoingContext(late, "k", "v"),
		"declared": retry.WithIdempotency(late, retry.Idempotent),
	} {
		for _, script := range [][]string{
			{"ok"},
			{"down", "ok"},
			{"unsent", "ok"},
			{"busy", "ok"},
			{"no", "ok"},
			{"wrong", "ok"},
			{"foreign", "ok"},
			{"internal", "ok"},
			{"down", "unsent", "ok"},
			{"down"},
			{"unsent"},
		} {
			for n, opts := range [][]grpc.CallOption{nil, {grpc.StaticMethod()}, {grpc.WaitForReady(true), grpc.StaticMethod()}} {
				t.Run(fmt.Sprint(name, script, n), func(t *testing.T) {
					driven, err := played(ctx, script, opts, retry.WithObserver(&testkit.Watcher{}))
					require.NoError(t, err)
					got, err := played(ctx, script, opts)
					require.NoError(t, err)
					require.Equal(t, driven, got)
				})
			}
		}
	}
}

func TestUnary_OutputsSetWithoutTheDriver(t *testing.T) {
	var header, trailer metadata.MD
	finished := 0
	got, err := played(t.Context(), []string{"down", "ok"}, []grpc.CallOption{
		grpc.Header(&header), grpc.Trailer(&trailer), grpc.OnFinish(func(error) { finished++ }),
	})
	require.NoError(t, err)
	require.Contains(t, got, `"answer 2"`)
	require.Equal(t, metadata.Pairs("h", "1"), header)
	require.Equal(t, metadata.Pairs("t", "1"), trailer)
	require.Equal(t, 1, finished)
}
