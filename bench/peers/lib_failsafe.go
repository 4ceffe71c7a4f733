package main

import (
	"context"
	"net/http"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	failtimeout "github.com/failsafe-go/failsafe-go/timeout"
	"google.golang.org/grpc"
)

// failsafePolicies returns a retry policy around an attempt timeout, in the order that its
// documentation composes them. ReturnLastFailure is its way to hand over the last error and not
// one of its own.
func failsafePolicies(r rules, b budget.Budget) []failsafe.Policy[any] {
	builder := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(r.attempts).WithDelay(r.delay).ReturnLastFailure().AbortOnErrors(context.Canceled)
	if b != nil {
		builder = builder.WithBudget(b)
	}
	policies := []failsafe.Policy[any]{builder.Build()}
	if r.timeout > 0 {
		policies = append(policies, failtimeout.New[any](r.timeout))
	}
	return policies
}

func failsafeDo(r rules, b budget.Budget) doer {
	executor := failsafe.With(failsafePolicies(r, b)...)
	return func(ctx context.Context, op func(context.Context) error) error {
		return executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error { return op(e.Context()) })
	}
}

func failsafeTransport(r rules, base http.RoundTripper) http.RoundTripper {
	policies := []failsafe.Policy[*http.Response]{
		failsafehttp.NewRetryPolicyBuilder().WithMaxAttempts(r.attempts).WithDelay(r.delay).ReturnLastFailure().Build(),
	}
	if r.hedge > 0 {
		hedges := hedgepolicy.NewBuilderWithDelay[*http.Response](r.hedge).WithMaxHedges(r.attempts - 1)
		policies = append(policies, hedges.CancelIf(settles).Build())
	}
	if r.timeout > 0 {
		policies = append(policies, failtimeout.New[*http.Response](r.timeout))
	}
	return failsafehttp.NewRoundTripper(base, policies...)
}

// settles reports whether a result ends a race of hedges. Without it any result does, a 503 too.
// An error does, and the retry policy around the hedge handles it.
func settles(resp *http.Response, err error) bool {
	return err != nil || resp.StatusCode < http.StatusInternalServerError
}

func failsafeUnary(r rules) grpc.UnaryClientInterceptor {
	policies := []failsafe.Policy[any]{
		failsafegrpc.NewRetryPolicyBuilder[any]().WithMaxAttempts(r.attempts).WithDelay(r.delay).ReturnLastFailure().Build(),
	}
	if r.hedge > 0 {
		hedges := hedgepolicy.NewBuilderWithDelay[any](r.hedge).WithMaxHedges(r.attempts - 1)
		policies = append(policies, hedges.Build())
	}
	if r.timeout > 0 {
		policies = append(policies, failtimeout.New[any](r.timeout))
	}
	return failsafegrpc.NewUnaryClientInterceptor(policies...)
}

var failsafeLibrary = &library{
	name:        "failsafe-go",
	module:      "github.com/failsafe-go/failsafe-go",
	do:          func(r rules) doer { return failsafeDo(r, nil) },
	http:        failsafeTransport,
	hedging:     failsafeTransport,
	unary:       failsafeUnary,
	hedgedUnary: failsafeUnary,
	dial: func(r rules) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithDisableRetry(), grpc.WithUnaryInterceptor(failsafeUnary(r))}
	},
	budgeted: func(r rules) (doer, retryLimit) {
		return failsafeDo(r, budget.New()), retryLimit{share: 0.2, atOnce: 3}
	},
	attemptTimeout: true,
}
