package grpcx

import (
	"context"
	"strings"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
)

// rpcContext is the context of a call that its policy's observer is told of: it says which RPC the call is.
func rpcContext(ctx context.Context, cc *grpc.ClientConn, method string, opts []grpc.CallOption) rpcinfo.Context {
	info := rpcinfo.Info{Method: rpcinfo.Other}
	for _, o := range opts {
		if _, static := o.(grpc.StaticMethodCallOption); static { // generated code makes the call (gRFC A66)
			info.Method = strings.TrimPrefix(method, "/")
		}
	}
	if cc != nil {
		info.Target = cc.CanonicalTarget()
	}
	return rpcinfo.Context{Context: ctx, Info: info}
}
