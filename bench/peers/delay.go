package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	avast "github.com/avast/retry-go/v5"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	backoff4 "github.com/cenkalti/backoff/v4"
	backoff5 "github.com/cenkalti/backoff/v5"
	"github.com/googleapis/gax-go/v2"
	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	sethvargo "github.com/sethvargo/go-retry"

	"github.com/evenkeel-go/evenkeel/backoff"
)

const (
	delayBase = 50 * time.Millisecond
	delayCap  = 20 * time.Second
)

// delayCell measures the computation of one library's delay before its nth retry.
func delayCell(library string, start func() func(n int) time.Duration) cell {
	return cell{library: library, setup: func() rig {
		next, longest := start(), time.Duration(0)
		return rig{
			run: func(n int) {
				for i := range n {
					longest = max(longest, next(i&7+1))
				}
			},
			check: func() error {
				if longest <= 0 || longest > 2*delayCap {
					return fmt.Errorf("the longest delay was %v", longest)
				}
				return nil
			},
		}
	}}
}

// delayWork has backoff, which has no full jitter, at randomisation 1 (from 0 to twice the
// interval), and middleware at jitter 1. Those with state go on to their cap and stay there.
func delayWork() *work {
	return &work{name: "delay", what: "one delay, exponential with full jitter, the random number included", cells: []cell{
		delayCell(evenkeel, func() func(int) time.Duration {
			s := backoff.FullJitter(delayBase, delayCap)
			return func(n int) time.Duration { return s.Delay(n, 0, rand.Float64()) }
		}),
		delayCell("backoff/v4", func() func(int) time.Duration {
			b := backoff4.NewExponentialBackOff(
				backoff4.WithInitialInterval(delayBase), backoff4.WithMaxInterval(delayCap),
				backoff4.WithMaxElapsedTime(0), backoff4.WithRandomizationFactor(1), backoff4.WithMultiplier(2),
			)
			return func(int) time.Duration { return b.NextBackOff() }
		}),
		delayCell("backoff/v5", func() func(int) time.Duration {
			b := backoff5.ExponentialBackOff{
				InitialInterval: delayBase, MaxInterval: delayCap, RandomizationFactor: 1, Multiplier: 2,
			}
			return func(int) time.Duration { return b.NextBackOff() }
		}),
		delayCell("retry-go", func() func(int) time.Duration {
			var ctx avast.DelayContext = delayContext{delayBase, delayCap}
			return func(n int) time.Duration { return avast.FullJitterBackoffDelay(uint(n), nil, ctx) }
		}),
		delayCell("go-retry", func() func(int) time.Duration {
			b := sethvargo.WithFullJitter(sethvargo.WithCappedDuration(delayCap, sethvargo.NewExponential(delayBase)))
			return func(int) time.Duration { d, _ := b.Next(); return d }
		}),
		delayCell("go-grpc-middleware", func() func(int) time.Duration {
			ctx, b := context.Background(), middleware.BackoffExponentialWithJitterBounded(delayBase, 1, delayCap)
			return func(n int) time.Duration { return b(ctx, uint(n)) }
		}),
		delayCell("aws/retry", func() func(int) time.Duration {
			b := awsretry.NewExponentialJitterBackoff(delayCap)
			return func(n int) time.Duration { d, _ := b.BackoffDelay(n&3, nil); return d } // above 4 it has no jitter
		}),
		delayCell("gax-go", func() func(int) time.Duration {
			b := gax.Backoff{Initial: delayBase, Max: delayCap}
			return func(int) time.Duration { return b.Pause() }
		}),
	}}
}
