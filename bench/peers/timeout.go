package main

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go"
	failtimeout "github.com/failsafe-go/failsafe-go/timeout"
	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	middletimeout "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/timeout"
	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/retry"
)

const attemptTimeout = 2 * time.Hour

func timeoutWork() *work {
	w := timeoutOn(context.Background())
	w.name, w.what = "timeout", "a call with an attempt timeout that succeeds"
	return w
}

func timeoutSooner() *work {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout/2)
	_ = cancel // it goes on for the rest of this process: longer than any run
	w := timeoutOn(ctx)
	w.name, w.what = "timeout/sooner", "the same when the caller's own deadline is sooner"
	return w
}

func timeoutOn(ctx context.Context) *work {
	timed := rules{attempts: 3, timeout: attemptTimeout}
	return &work{attempts: 1, paired: true, cells: []cell{
		okCell(evenkeel, true, func(o *ops) func(int) {
			p, op := policy(timed), o.ok
			return func(n int) {
				for range n {
					_ = retry.Do(ctx, p, op)
				}
			}
		}),
		okCell("failsafe-go", false, func(o *ops) func(int) {
			executor, op := failsafe.With[any](failtimeout.New[any](attemptTimeout)).WithContext(ctx), o.okPlain
			return func(n int) {
				for range n {
					_ = executor.Run(op)
				}
			}
		}),
		okCell("go-grpc-middleware retry", false, func(o *ops) func(int) {
			return unaryCalls(ctx, middleware.UnaryClientInterceptor(middlewareOptions(timed)...), o)
		}),
		okCell("go-grpc-middleware timeout", false, func(o *ops) func(int) {
			return unaryCalls(ctx, middletimeout.UnaryClientInterceptor(attemptTimeout), o)
		}),
		bareCell("bare", func(o *ops) func(int) {
			op := o.ok
			return func(n int) {
				for range n {
					c, cancel := context.WithTimeout(ctx, attemptTimeout)
					_ = op(c)
					cancel()
				}
			}
		}),
	}}
}

func bareCell(name string, start func(o *ops) func(n int)) cell {
	c := okCell(name, false, start)
	c.bare = true
	return c
}

// unaryCalls makes n unary calls through an interceptor to an invoker that only counts.
func unaryCalls(ctx context.Context, call grpc.UnaryClientInterceptor, o *ops, opts ...grpc.CallOption) func(n int) {
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		o.n++
		return nil
	}
	return func(n int) {
		for range n {
			_ = call(ctx, method, nil, nil, nil, invoker, opts...)
		}
	}
}

const method = "/peers.Echo/Get"
