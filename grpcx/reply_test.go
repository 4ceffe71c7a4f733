package grpcx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

// parcel is a reply of a codec that needs what the caller put there.
type parcel struct{ into *string }

type parcelCodec struct{ wordsCodec }

func (parcelCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*parcel).into = string(data.Materialize())
	return nil
}

func TestUnary_PrefilledReplyOnRetry(t *testing.T) {
	n := 0
	refuse := grpc.UnaryInterceptor(func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
		if n++; n < 3 {
			return nil, unavailable()
		}
		return &words{"bye"}, nil
	})
	srv := serve(t, newService(), refuse, grpc.ForceServerCodecV2(looseCodec{}))
	cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t)), srv)...)
	var got string
	require.NoError(t, cc.Invoke(t.Context(), unaryCall, &words{"hi"}, &parcel{&got}, grpc.ForceCodecV2(parcelCodec{})))
	require.Equal(t, "bye", got)
	require.Equal(t, 3, n)
}

// looseCodec does not mind what is to become of a message that nobody reads.
type looseCodec struct{ wordsCodec }

func (looseCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// TestUnary_ReplyUntouchedWithoutMessage has a call fail whose attempts got no message: like
// gRPC-Go, it leaves the caller's reply alone.
func TestUnary_ReplyUntouchedWithoutMessage(t *testing.T) {
	s := newService()
	s.unary = func(context.Context, int, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		return nil, unavailable()
	}
	cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t)), serve(t, s))...)
	reply := &testgrpc.SimpleResponse{Username: "before"}
	err := cc.Invoke(t.Context(), unaryCall, &testgrpc.SimpleRequest{}, reply)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 3, s.calls.Load())
	require.Equal(t, "before", reply.Username)
}
