package main

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
)

// rules lists what every library is configured to do, as nearly as its documentation allows.
type rules struct {
	attempts int           // how often a call is sent in all
	delay    time.Duration // before each retry, the same each time
	timeout  time.Duration // of one attempt; 0: none
	hedge    time.Duration // how long an attempt may be silent before another is sent beside it; 0: never
}

// thrice sends at most three times, without waiting.
var thrice = rules{attempts: 3}

// doer makes one call.
type doer func(ctx context.Context, op func(context.Context) error) error

// library is one library and what it can do. What it cannot is nil: such a case is not applicable.
type library struct {
	name   string
	module string

	do   func(rules) doer
	http func(rules, http.RoundTripper) http.RoundTripper
	// client, if set, makes what its users send requests with instead of an http.Client over http,
	// which is then an adaptor of ours for the cases.
	client func(r rules, base http.RoundTripper, timeout time.Duration) sender
	// hedging is http with the policy hedging.
	hedging func(rules, http.RoundTripper) http.RoundTripper
	unary   func(rules) grpc.UnaryClientInterceptor
	// hedgedUnary is unary with the policy hedging, for a method that is declared safe to repeat.
	hedgedUnary func(rules) grpc.UnaryClientInterceptor
	// dial makes unary calls and streams follow the rules.
	dial func(rules) []grpc.DialOption
	// streams says that dial reaches streams.
	streams bool
	// delay is the wait before retry n, counted from 1, exponential with jitter from base to cap.
	delay func(base, limit time.Duration) func(n int) time.Duration
	// aboveCap is how much jitter may add to the cap, by the documentation.
	aboveCap float64
	// budgeted is do with a budget of the library's own, in its default size.
	budgeted func(rules) (call doer, limit retryLimit)
	// attemptTimeout says that do heeds rules.timeout.
	attemptTimeout bool
}

// retryLimit holds what a library's documentation promises of its budget when every attempt fails.
type retryLimit struct {
	total  int     // retries in all; 0: not limited by number
	share  float64 // retries at one time, as a share of the calls at that time
	atOnce int     // retries at one time, whatever the share
}

// libraries returns all that are compared, evenkeel first.
func libraries() []*library {
	return []*library{
		evenkeelLibrary, failsafeLibrary, backoff4Library, backoff5Library, retryGoLibrary, goRetryLibrary,
		retryablehttpLibrary, restyLibrary, reqLibrary, hedgedhttpLibrary, middlewareLibrary, grpcLibrary, awsLibrary, gaxLibrary,
	}
}

// versions returns the versions of the libraries in this binary, by module.
func versions() map[string]string {
	found := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for _, m := range info.Deps {
		v := m.Version
		if m.Replace != nil {
			v = "this checkout"
		}
		found[m.Path] = v
	}
	return found
}
