package main

import (
	"context"
	"time"

	"github.com/googleapis/gax-go/v2"
)

// gaxRetryer retries whatever failed, after the same pause each time; gax has no number of
// attempts of its own.
type gaxRetryer struct {
	left  int
	pause time.Duration
}

func (r *gaxRetryer) Retry(error) (time.Duration, bool) {
	r.left--
	return r.pause, r.left > 0
}

func gaxOptions(r rules) []gax.CallOption {
	return []gax.CallOption{gax.WithRetry(func() gax.Retryer { return &gaxRetryer{r.attempts, r.delay} })}
}

var gaxLibrary = &library{
	name:   "gax-go",
	module: "github.com/googleapis/gax-go/v2",
	do: func(r rules) doer {
		opts := gaxOptions(r)
		return func(ctx context.Context, op func(context.Context) error) error {
			return gax.Invoke(ctx, func(ctx context.Context, _ gax.CallSettings) error { return op(ctx) }, opts...)
		}
	},
	delay: func(base, limit time.Duration) func(int) time.Duration {
		return func(n int) time.Duration {
			b := gax.Backoff{Initial: base, Max: limit}
			return nth(n, b.Pause)
		}
	},
}
