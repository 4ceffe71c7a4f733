package grpcx_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// levelsFile links a .proto file in whose methods have each idempotency_level.
var levelsFile = sync.OnceValue(func() error {
	method := func(name string, level *descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		m := &descriptorpb.MethodDescriptorProto{Name: &name, InputType: proto.String(".levels.Empty"), OutputType: proto.String(".levels.Empty")}
		if level != nil {
			m.Options = &descriptorpb.MethodOptions{IdempotencyLevel: level}
		}
		return m
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("levels.proto"), Package: proto.String("levels"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Empty")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Plain", nil),
			method("Unknown", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN.Enum()),
			method("Idempotent", descriptorpb.MethodOptions_IDEMPOTENT.Enum()),
			method("Safe", descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()),
		}}},
	}, nil)
	if err != nil {
		return err
	}
	return protoregistry.GlobalFiles.RegisterFile(file)
})

func sent(t *testing.T, ctx context.Context, method string, opts ...grpcx.Option) (n int) {
	t.Helper()
	call := grpcx.UnaryClientInterceptor(policy(t), opts...)
	_ = call(ctx, method, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		n++
		return status.Error(codes.Internal, "no")
	})
	return n
}

func TestIdempotency_FromProtoFile(t *testing.T) {
	if _, err := protoregistry.GlobalFiles.FindFileByPath("levels.proto"); err != nil {
		require.Equal(t, 1, sent(t, t.Context(), "/levels.Service/Safe"), "the file is not linked in yet")
	}
	require.NoError(t, levelsFile())
	for range 2 { // the second time from memory
		require.Equal(t, 1, sent(t, t.Context(), "/levels.Service/Plain"))
		require.Equal(t, 1, sent(t, t.Context(), "/levels.Service/Unknown"))
		require.Equal(t, 3, sent(t, t.Context(), "/levels.Service/Idempotent"))
		require.Equal(t, 3, sent(t, t.Context(), "/levels.Service/Safe"))
		require.Equal(t, 1, sent(t, t.Context(), "/levels.Service/None"))
		require.Equal(t, 1, sent(t, t.Context(), "/levels/Empty"))
		require.Equal(t, 1, sent(t, t.Context(), "malformed"))
	}
}

func TestIdempotency_CallersDeclarationOverrides(t *testing.T) {
	require.NoError(t, levelsFile())
	not := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
	require.Equal(t, 1, sent(t, not, "/levels.Service/Safe"))
	yes := retry.WithIdempotency(t.Context(), retry.Idempotent)
	require.Equal(t, 3, sent(t, yes, "/levels.Service/Plain"))
	require.Equal(t, 3, sent(t, t.Context(), "/levels.Service/Plain", grpcx.WithIdempotentMethods("/levels.Service/Plain")))
	require.Equal(t, 1, sent(t, not, "/levels.Service/Plain", grpcx.WithIdempotentMethods("/levels.Service/Plain")))
}

func TestIdempotency_ByMethodName(t *testing.T) {
	for name, sentBy := range map[string]map[string]int{
		"/a.B/C": {"/a.B/C": 3, "/a.B/D": 1, "/a.Bee/C": 1, "/x.a.B/C": 1, "malformed": 1},
		"a.B/C":  {"/a.B/C": 3, "/a.B/D": 1},
		"a.B/*":  {"/a.B/C": 3, "/a.B/D": 3, "/a.Bee/C": 1, "/a/B": 1, "malformed": 1},
		"/a.B/*": {"/a.B/C": 3, "/a.B/D": 3, "/a.Bee/C": 1},
		"*":      {"/a.B/C": 3, "/x.Y/Z": 3, "malformed": 3},
	} {
		for method, n := range sentBy {
			require.Equal(t, n, sent(t, t.Context(), method, grpcx.WithIdempotentMethods(name)), "%s for %s", name, method)
			require.Equal(t, n, sent(t, t.Context(), method, grpcx.WithIdempotentMethods("other.S/M", name)), "%s for %s", name, method)
		}
	}
	not := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
	require.Equal(t, 1, sent(t, not, "/a.B/C", grpcx.WithIdempotentMethods("*")))
}
