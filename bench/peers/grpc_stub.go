package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

func grpcStub() *work {
	return stubWork("grpc/stub", "a unary call as a generated stub makes it: with StaticMethod", context.Background(), false)
}

func grpcStubDeadline() *work {
	return stubWork("grpc/stub-deadline", "the same under a context with a deadline", withDeadline(), false)
}

func grpcStubFail() *work {
	return stubWork("grpc/stub-fail", "the stub's call, getting UNAVAILABLE and then an answer", context.Background(), true)
}

func grpcStubDeadlineFail() *work {
	return stubWork("grpc/stub-deadline-fail", "the same under a context with a deadline", withDeadline(), true)
}

func stubWork(name, what string, ctx context.Context, failed bool) *work {
	w := &work{name: name, what: what, attempts: 1}
	loop := once
	if failed {
		w.attempts, loop = 2, untilAnswered
	}
	bare := &library{name: "bare", unary: func(rules) grpc.UnaryClientInterceptor { return loop }}
	for _, l := range append(libraries(), bare) {
		if l.unary != nil {
			c := stubCell(ctx, l, failed)
			c.budget, c.bare = l.name == evenkeel, l == bare
			w.cells = append(w.cells, c)
		}
	}
	if !failed {
		hand := stubCell(ctx, &library{name: byHandName, unary: func(rules) grpc.UnaryClientInterceptor {
			return new(handBudget).unary
		}}, false)
		hand.bare = true
		w.cells = append(w.cells, hand)
	}
	return w
}

func stubCell(ctx context.Context, l *library, failed bool) cell {
	return cell{library: l.name, setup: func() rig {
		f, call := new(flaky), l.unary(thrice)
		invoke := f.answer
		if failed {
			invoke = f.invoke
		}
		return rig{sent: f.sent, run: func(n int) {
			for range n {
				stub(ctx, call, invoke)
			}
		}}
	}}
}

// stub does what generated code and grpc.ClientConn do before an interceptor: it puts the options
// in a slice of the call's own.
func stub(ctx context.Context, call grpc.UnaryClientInterceptor, invoke grpc.UnaryInvoker) {
	opts := append([]grpc.CallOption{grpc.StaticMethod()}, noOptions...)
	_ = call(ctx, method, nil, nil, nil, invoke, opts...)
}

// noOptions are the options that the caller of a stub passes.
var noOptions []grpc.CallOption

// answer implements grpc.UnaryInvoker, and succeeds.
func (f *flaky) answer(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	f.n++
	return nil
}

// once invokes the call without an interceptor.
func once(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	return invoke(ctx, method, req, reply, cc, opts...)
}

// asking asks for the metadata of its one attempt, with room for the options: no call can do
// without whose server may send pushback, or whose trailer has to show that nothing was sent.
func asking(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	var got struct {
		header, trailer metadata.MD
		room            [4]grpc.CallOption
	}
	opts = append(append(got.room[:0], opts...), grpc.Header(&got.header), grpc.Trailer(&got.trailer))
	return invoke(ctx, method, req, reply, cc, opts...)
}

// untilAnswered retries in a loop, without a library.
func untilAnswered(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	for {
		if err := invoke(ctx, method, req, reply, cc, opts...); err == nil || ctx.Err() != nil {
			return err
		}
	}
}
