package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errUnavailable = status.Error(codes.Unavailable, "down")

func (f *flaky) invoke(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	if f.plain() != nil {
		return errUnavailable
	}
	return nil
}

func (f *flaky) unavailable(context.Context) error {
	if f.plain() != nil {
		return errUnavailable
	}
	return nil
}

func grpcOneFail() *work {
	ctx := context.Background()
	w := &work{name: "grpc/one-fail", what: "a unary call that gets UNAVAILABLE and then an answer", attempts: 2}
	for _, l := range libraries() {
		if l.unary == nil {
			continue
		}
		w.cells = append(w.cells, failingCell(l.name, l.name == evenkeel, func(f *flaky) func(int) {
			call, invoke := l.unary(thrice), f.invoke
			return func(n int) {
				for range n {
					_ = call(ctx, method, nil, nil, nil, invoke)
				}
			}
		}))
	}
	w.cells = append(w.cells, failingCell("gax-go", false, func(f *flaky) func(int) {
		return calls(ctx, gaxLibrary.do(thrice), f.unavailable)
	}))
	return w
}
