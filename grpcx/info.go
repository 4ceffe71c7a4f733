package grpcx

import (
	"strings"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
)

// rpcInfo returns which RPC a call is, for the policy's observer.
func rpcInfo(cc *grpc.ClientConn, method string, opts []grpc.CallOption) rpcinfo.Info {
	info := rpcinfo.Info{Method: rpcinfo.Other}
	for _, o := range opts {
		if _, static := o.(grpc.StaticMethodCallOption); static { // generated code makes the call (gRFC A66)
			info.Method = strings.TrimPrefix(method, "/")
		}
	}
	if cc != nil {
		info.Target = cc.CanonicalTarget()
	}
	return info
}
