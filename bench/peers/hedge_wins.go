package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// winDelay is how long a first attempt is silent before its hedge goes out.
const winDelay = 200 * time.Microsecond

// winRules hedges once.
var winRules = rules{attempts: 2, hedge: winDelay}

// silentFirst answers every other attempt at once, and lets the others hang until they are
// canceled.
type silentFirst struct{ n atomic.Int64 }

// patienceOfSilent bounds a silent attempt that nobody cancels: the count of attempts then shows
// that there was no hedge.
const patienceOfSilent = 5 * time.Second

// hang reports whether the attempt is to fail, after it was canceled.
func (s *silentFirst) hang(ctx context.Context) bool {
	if s.n.Add(1)&1 == 0 {
		return false
	}
	t := time.NewTimer(patienceOfSilent)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

// RoundTrip answers, or waits to be canceled.
func (s *silentFirst) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.hang(req.Context()) {
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: noHeader, Request: req}, nil
}

func (s *silentFirst) invoke(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
	if s.hang(ctx) {
		return ctx.Err()
	}
	return nil
}

func (s *silentFirst) sent() int { return int(s.n.Load()) }

// winSpan is how many calls are timed at once. Their median counts: a thread that the kernel wakes
// late makes a few of them far longer.
const winSpan = 16

// winning returns a rig whose every call is won by its hedge.
func winning(s *silentFirst, call func()) rig {
	took := make([]float64, 0, winSpan)
	return rig{
		sent: s.sent,
		run: func(n int) {
			took = took[:0]
			for range n {
				start := time.Now()
				call()
				took = append(took, float64(time.Since(start)))
			}
		},
		took: func() time.Duration { return time.Duration(median(took) * float64(len(took))) },
	}
}

func httpHedgeWins() *work {
	w := &work{
		name: "http/hedge-wins", what: "a GET whose first attempt hangs, so that its hedge wins; the figure is the time over the delay",
		attempts: 2, wait: winDelay, alone: true, span: winSpan,
	}
	add := func(library string, bare bool, wrap func(http.RoundTripper) http.RoundTripper) {
		w.cells = append(w.cells, cell{library: library, budget: library == evenkeel, bare: bare, setup: func() rig {
			a, s := newAsked(0), new(silentFirst)
			rt := wrap(s)
			return winning(s, func() { a.trip(rt) })
		}})
	}
	for _, l := range libraries() {
		if l.hedging != nil {
			add(l.name, false, func(base http.RoundTripper) http.RoundTripper { return l.hedging(winRules, base) })
		}
	}
	add(byHandName, true, func(base http.RoundTripper) http.RoundTripper { return handHedge{base, winDelay} })
	return w
}

func grpcHedge() *work {
	armed := rules{attempts: 3, hedge: time.Second}
	ctx := context.Background()
	w := &work{name: "grpc/hedge", what: "a unary call of a declared method with hedging on that needs no hedge", attempts: 1}
	for _, l := range libraries() {
		if l.hedgedUnary != nil {
			w.cells = append(w.cells, okCell(l.name, l.name == evenkeel, func(o *ops) func(int) {
				return messageCalls(ctx, l.hedgedUnary(armed), o)
			}))
		}
	}
	w.cells = append(w.cells, bareCell(byHandName, func(o *ops) func(int) {
		return messageCalls(ctx, handHedgeUnary(armed.hedge), o)
	}))
	return w
}

// messageCalls makes unary calls with messages: a hedge needs a reply of its own.
func messageCalls(ctx context.Context, call grpc.UnaryClientInterceptor, o *ops) func(n int) {
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		o.n++
		return nil
	}
	in, out := &text{Value: "some text"}, new(text)
	return func(n int) {
		for range n {
			_ = call(ctx, method, in, out, nil, invoker)
		}
	}
}

func grpcHedgeWins() *work {
	ctx := context.Background()
	w := &work{
		name: "grpc/hedge-wins", what: "a unary call whose first attempt hangs, so that its hedge wins; the time over the delay",
		attempts: 2, wait: winDelay, alone: true, span: winSpan,
	}
	add := func(library string, bare bool, unary func() grpc.UnaryClientInterceptor) {
		w.cells = append(w.cells, cell{library: library, budget: library == evenkeel, bare: bare, setup: func() rig {
			in, out, s := &text{Value: "some text"}, new(text), new(silentFirst)
			call, invoke := unary(), s.invoke
			return winning(s, func() { _ = call(ctx, method, in, out, nil, invoke) })
		}})
	}
	for _, l := range libraries() {
		if l.hedgedUnary != nil {
			add(l.name, false, func() grpc.UnaryClientInterceptor { return l.hedgedUnary(winRules) })
		}
	}
	add(byHandName, true, func() grpc.UnaryClientInterceptor { return handHedgeUnary(winDelay) })
	return w
}
