package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc"
)

func grpcE2E() *work {
	w := &work{
		name: "grpc/e2e", what: "unary calls over loopback TCP from 16 callers, all well",
		attempts: 1, paired: true, cpu: true, span: e2eSpan,
	}
	for _, l := range libraries() {
		if l.dial != nil {
			w.cells = append(w.cells, echoCell(l.name, l.dial(thrice)...))
		}
	}
	bare := echoCell("bare", grpc.WithDisableRetry())
	bare.bare = true
	w.cells = append(w.cells, bare)
	return w
}

func echoCell(library string, opts ...grpc.DialOption) cell {
	return cell{library: library, budget: library == evenkeel, setup: func() rig {
		var sent, broken atomic.Int64
		e := &echo{get: func(_ context.Context, in *text) (*text, error) {
			sent.Add(1)
			return in, nil
		}}
		e.start()
		conn, ctx, in := e.dial(opts...), context.Background(), &text{Value: "some text"}
		call := func() {
			if conn.Invoke(ctx, method, in, new(text)) != nil {
				broken.Add(1)
			}
		}
		return rig{
			run:  func(n int) { concurrently(n, call) },
			sent: func() int { return int(sent.Load()) },
			check: func() error {
				if n := broken.Load(); n > 0 {
					return fmt.Errorf("%d calls failed", n)
				}
				return nil
			},
			close: func() error {
				err := conn.Close()
				e.server.Stop()
				return err
			},
		}
	}}
}
