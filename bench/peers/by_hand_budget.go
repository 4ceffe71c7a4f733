package main

import (
	"context"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
)

// byHandName is the library of cells that anybody would write.
const byHandName = "by hand"

// handBudget is a loop that anybody would write, with the least budget that deserves the name: a
// tenth of the successes may be retried, and ten more. A success costs one atomic operation. It
// has no wait, no deadline, no window of time, and no destinations.
type handBudget struct{ successes, retries atomic.Int64 }

// do makes a call.
func (b *handBudget) do(ctx context.Context, op func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := op(ctx)
		if err == nil {
			b.successes.Add(1)
			return nil
		}
		if attempt == 3 || ctx.Err() != nil || !b.admit() {
			return err
		}
	}
}

// admit reports whether one more retry is within the budget.
func (b *handBudget) admit() bool {
	if b.retries.Add(1) > 10+b.successes.Load()/10 {
		b.retries.Add(-1)
		return false
	}
	return true
}

// unary makes a call as an interceptor, which has to ask for what a server may say of retries.
func (b *handBudget) unary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	for attempt := 1; ; attempt++ {
		err := asking(ctx, method, req, reply, cc, invoke, opts...)
		if err == nil {
			b.successes.Add(1)
			return nil
		}
		if attempt == 3 || ctx.Err() != nil || !b.admit() {
			return err
		}
	}
}

// handTransport is the same over HTTP for requests without a body: it looks at the status, and
// leaves everything else that httpx does undone.
type handTransport struct {
	handBudget
	base http.RoundTripper
}

// RoundTrip sends the request, and again after a 503.
func (t *handTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := t.base.RoundTrip(req)
		if err == nil && resp.StatusCode != http.StatusServiceUnavailable {
			t.successes.Add(1)
			return resp, nil
		}
		if attempt == 3 || req.Context().Err() != nil || !t.admit() {
			return resp, err
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}
