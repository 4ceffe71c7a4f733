package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const evenkeel = "evenkeel"

// policy returns a policy of the zero Config with the settings of the rules. Its budget is always
// the default one.
func policy(r rules) *retry.Policy {
	cfg := retry.Config{
		MaxAttempts: r.attempts, Backoff: backoff.Constant(r.delay), ThrottledBackoff: backoff.Constant(r.delay),
	}
	if r.timeout > 0 {
		cfg.AttemptTimeout = timeout.Fixed(r.timeout)
	}
	if r.hedge > 0 {
		cfg.Hedge = timeout.Fixed(r.hedge)
	}
	return retry.Must(retry.New(cfg))
}

func evenkeelTransport(r rules, base http.RoundTripper) http.RoundTripper {
	return httpx.NewTransport(base, policy(r))
}

var evenkeelLibrary = &library{
	name:    evenkeel,
	module:  "github.com/evenkeel-go/evenkeel",
	do:      func(r rules) doer { return doWith(policy(r)) },
	http:    evenkeelTransport,
	hedging: evenkeelTransport,
	unary:   func(r rules) grpc.UnaryClientInterceptor { return grpcx.UnaryClientInterceptor(policy(r)) },
	hedgedUnary: func(r rules) grpc.UnaryClientInterceptor {
		return grpcx.UnaryClientInterceptor(policy(r), grpcx.WithIdempotentMethods("peers.Echo/*"))
	},
	dial:    func(r rules) []grpc.DialOption { return grpcx.DialOptions(policy(r)) },
	streams: true,
	delay: func(base, limit time.Duration) func(int) time.Duration {
		s := backoff.FullJitter(base, limit)
		return func(n int) time.Duration { return s.Delay(n, 0, rand.Float64()) }
	},
	budgeted: func(r rules) (doer, retryLimit) { return doWith(policy(r)), retryLimit{total: 10} },

	attemptTimeout: true,
}

func doWith(p *retry.Policy) doer {
	return func(ctx context.Context, op func(context.Context) error) error { return retry.Do(ctx, p, op) }
}
