// Package layer carries what one request through a server needs so that only one layer of a stack retries: a mark
// on the context that a server side sets and that every client call made under it can flag.
package layer

import (
	"context"
	"sync/atomic"
)

// Mark belongs to one request that a server handles. It is safe for concurrent use.
type Mark struct{ spent atomic.Bool }

type key struct{}

// With puts a new mark on the context of a request that a server is about to handle.
func With(ctx context.Context) (context.Context, *Mark) {
	m := new(Mark)
	return context.WithValue(ctx, key{}, m), m
}

// Spend notes that a call made under ctx stopped although it failed in a way that a retry might have mended: the
// attempts or the budget were used up, or the callee said "do not retry". Repeating the request from above would
// only repeat that. Without a mark it does nothing.
func Spend(ctx context.Context) {
	if m, ok := ctx.Value(key{}).(*Mark); ok {
		m.spent.Store(true)
	}
}

// Spent reports whether a call under this request was spent.
func (m *Mark) Spent() bool { return m.spent.Load() }
