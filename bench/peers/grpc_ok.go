package main

import (
	"context"

	"github.com/googleapis/gax-go/v2"
)

func grpcOK() *work {
	ctx := context.Background()
	w := &work{name: "grpc/ok", what: "a unary call through the interceptor to an invoker that does nothing", attempts: 1}
	for _, l := range libraries() {
		if l.unary != nil {
			w.cells = append(w.cells, okCell(l.name, l.name == evenkeel, func(o *ops) func(int) {
				return unaryCalls(ctx, l.unary(thrice), o)
			}))
		}
	}
	w.cells = append(w.cells, okCell("gax-go", false, func(o *ops) func(int) {
		return gaxCalls(o, gaxOptions(thrice))
	}))
	return w
}

// gaxCalls wraps calls as Google's generated clients do.
func gaxCalls(o *ops, opts []gax.CallOption) func(n int) {
	ctx, op := context.Background(), o.gax
	return func(n int) {
		for range n {
			_ = gax.Invoke(ctx, op, opts...)
		}
	}
}
