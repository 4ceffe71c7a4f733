package main

import (
	"context"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

// grpcOKOption gives a call a policy of its own by a CallOption that is made once, for all.
func grpcOKOption() *work {
	ctx := context.Background()
	return &work{
		name: "grpc/ok-option", what: "the same with a policy of the call's own", attempts: 1,
		cells: []cell{
			okCell(evenkeel, true, func(o *ops) func(int) {
				opts := []grpc.CallOption{grpcx.WithPolicy(policy(rules{attempts: 2}))}
				return unaryCalls(ctx, evenkeelLibrary.unary(thrice), o, opts...)
			}),
			okCell("go-grpc-middleware", false, func(o *ops) func(int) {
				opts := []grpc.CallOption{middleware.WithMax(2)}
				return unaryCalls(ctx, middlewareLibrary.unary(thrice), o, opts...)
			}),
			okCell("gax-go", false, func(o *ops) func(int) {
				return gaxCalls(o, append(gaxOptions(thrice), gaxOptions(rules{attempts: 2})...))
			}),
		},
	}
}
