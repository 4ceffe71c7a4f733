package retry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// fast keeps the examples from waiting: real policies have jitter.
var fast = retry.Config{Backoff: backoff.None()}

func Example() {
	policy := retry.Must(retry.New(retry.Config{
		MaxAttempts: 3,
		Backoff:     backoff.FullJitter(time.Millisecond, 10*time.Millisecond),
	}))
	calls := 0
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		if calls++; calls < 3 {
			return errors.New("connection reset")
		}
		return nil
	})
	fmt.Println(calls, err)
	// Output: 3 <nil>
}

func ExampleDo() {
	policy := retry.Must(retry.New(fast))
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		return errors.New("connection reset")
	})
	fmt.Println(err)

	var stopped *retry.Error
	if errors.As(err, &stopped) {
		fmt.Println(stopped.Reason, stopped.Attempts)
	}
	// Output:
	// connection reset (evenkeel: max_attempts after 3 attempts)
	// max_attempts 3
}

func ExampleDoValue() {
	policy := retry.Must(retry.New(fast))
	price, err := retry.DoValue(context.Background(), policy, func(ctx context.Context) (int, error) {
		if retry.AttemptNumber(ctx) == 1 {
			return 0, errors.New("connection reset")
		}
		return 42, nil
	})
	fmt.Println(price, err)
	// Output: 42 <nil>
}

// An attempt that is slow is not waited for alone: another is sent beside it, and the first
// answer wins.
func ExampleDoValue_hedge() {
	policy := retry.Must(retry.New(retry.Config{Hedge: timeout.Fixed(time.Millisecond)}))
	answer, err := retry.DoValue(context.Background(), policy, func(ctx context.Context) (string, error) {
		if n := retry.AttemptNumber(ctx); n > 1 {
			return fmt.Sprint("attempt ", n), nil
		}
		<-ctx.Done() // the loser is cancelled
		return "", ctx.Err()
	})
	fmt.Println(answer, err)
	// Output: attempt 2 <nil>
}

func ExamplePermanent() {
	policy := retry.Must(retry.New(fast))
	calls := 0
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		calls++
		return retry.Permanent(errors.New("no such customer"))
	})
	fmt.Println(calls, err)
	// Output: 1 no such customer
}

func ExampleAfter() {
	policy := retry.Must(retry.New(retry.Config{MaxHint: 2 * time.Second}))
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		return retry.After(errors.New("429 Too Many Requests"), time.Hour) // longer than MaxHint
	})
	fmt.Println(err)
	// Output: 429 Too Many Requests (evenkeel: hint_too_long after 1 attempt, hint of 1h0m0s over MaxHint of 2s)
}

func ExampleNew() {
	_, err := retry.New(retry.Config{
		MaxAttempts: -3,
		Hedge:       timeout.Fixed(0),
		Budget:      budget.Adaptive{Waste: 2},
	})
	fmt.Println(err)
	// Output:
	// retry: bad policy: MaxAttempts: must be at least 1, 0 for the default or Unlimited, not -3
	// Budget.Waste: must be 0 (the default) or between 0.001 and 1, not 2
	// Hedge: must be more than 0, not 0s
}

func ExampleMust() {
	policy := retry.Must(retry.New(retry.Config{}))
	fmt.Println(policy.Config().MaxAttempts)
	// Output: 3
}

func ExamplePolicy_For() {
	policy := retry.Must(retry.New(retry.Config{}))
	payments, stock := policy.For("payments"), policy.For("stock")
	fmt.Println(payments == policy.For("payments"), payments == stock)
	// Output: true false
}

func ExamplePolicy_Reload() {
	var current atomic.Pointer[retry.Policy]
	current.Store(retry.Must(retry.New(retry.Config{})))

	// The budgets go on as they were: a reload does not refill them.
	next, err := current.Load().Reload(retry.Config{MaxAttempts: 2})
	if err != nil {
		fmt.Println(err) // and keep the policy there is
		return
	}
	current.Store(next)
	fmt.Println(current.Load().Config().MaxAttempts)
	// Output: 2
}

func ExamplePolicy_Config() {
	policy := retry.Must(retry.New(retry.Config{}))
	text, _ := json.MarshalIndent(policy.Config(), "", "  ")
	fmt.Println(string(text))
	// Output:
	// {
	//   "backoff": {
	//     "full_jitter": {
	//       "base": "50ms",
	//       "cap": "20s"
	//     }
	//   },
	//   "budget": {
	//     "adaptive": {}
	//   },
	//   "max_attempts": 3,
	//   "max_hint": "1m0s",
	//   "throttled_backoff": {
	//     "full_jitter": {
	//       "base": "1s",
	//       "cap": "20s"
	//     }
	//   }
	// }
}

func ExampleConfig_UnmarshalJSON() {
	var cfg retry.Config
	err := json.Unmarshal([]byte(`{
		"max_attempts": 4,
		"backoff": {"full_jitter": {"base": "100ms", "cap": "10s"}},
		"attempt_timeout": "1.5s"
	}`), &cfg)
	fmt.Println(cfg.MaxAttempts, cfg.AttemptTimeout, err)

	err = json.Unmarshal([]byte(`{"max_attempts": 0, "max_hint": 250}`), &cfg)
	fmt.Println(err)
	// Output:
	// 4 1.5s <nil>
	// max_attempts: must be a whole number, at least 1, or "unlimited"
	// max_hint: must be a duration like "250ms", with a unit: "250s" for seconds
}

func ExampleConfig_MarshalJSON() {
	text, err := json.Marshal(retry.Config{MaxAttempts: retry.Unlimited, Budget: budget.AWS{}})
	fmt.Println(string(text), err)
	// Output: {"budget":{"aws":{}},"max_attempts":"unlimited"} <nil>
}

func ExampleWithIdempotency() {
	policy := retry.Must(retry.New(fast))
	ctx := retry.WithIdempotency(context.Background(), retry.NotIdempotent)
	err := retry.Do(ctx, policy, func(ctx context.Context) error { return errors.New("connection reset") })
	fmt.Println(err)
	// Output: connection reset
}

func ExampleAttemptNumber() {
	policy := retry.Must(retry.New(fast))
	_ = retry.Do(context.Background(), policy, func(ctx context.Context) error {
		fmt.Println("attempt", retry.AttemptNumber(ctx))
		return errors.New("connection reset")
	})
	// Output:
	// attempt 1
	// attempt 2
	// attempt 3
}

func ExampleWithClassifier() {
	errBusy := errors.New("busy")
	policy := retry.Must(retry.New(
		retry.Config{ThrottledBackoff: backoff.Constant(time.Millisecond)},
		retry.WithClassifier(func(err error) retry.Outcome {
			if errors.Is(err, errBusy) {
				return retry.Outcome{Class: retry.Throttled}
			}
			return retry.Outcome{Class: retry.Rejected}
		}),
	))
	calls := 0
	err := retry.Do(context.Background(), policy, func(ctx context.Context) error {
		if calls++; calls == 1 {
			return errBusy
		}
		return errors.New("no such table")
	})
	fmt.Println(err)
	// Output: no such table (evenkeel: rejected after 2 attempts)
}

func ExampleClassify() {
	fmt.Println(retry.Classify(errors.New("connection reset")).Class)
	fmt.Println(retry.Classify(retry.Permanent(errors.New("no such customer"))).Class)
	fmt.Println(retry.Classify(retry.After(errors.New("busy"), time.Second)).After)
	// Output:
	// transient
	// rejected
	// 1s
}

// counter counts calls by the reason that they stopped for.
type counter struct{ calls map[retry.Reason]int }

func (c counter) AttemptDone(context.Context, retry.Attempt)      {}
func (c counter) CallDone(_ context.Context, report retry.Report) { c.calls[report.Reason]++ }

func ExampleWithObserver() {
	c := counter{map[retry.Reason]int{}}
	policy := retry.Must(retry.New(fast, retry.WithObserver(c)))
	_ = retry.Do(context.Background(), policy, func(context.Context) error { return nil })
	_ = retry.Do(context.Background(), policy, func(context.Context) error { return errors.New("connection reset") })
	fmt.Println(c.calls[retry.ReasonSuccess], c.calls[retry.ReasonMaxAttempts])
	// Output: 1 1
}

func ExampleLogObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "waited" {
				return slog.Attr{} // they differ from run to run
			}
			return a
		},
	}))
	policy := retry.Must(retry.New(fast, retry.WithObserver(retry.LogObserver(log, slog.LevelWarn))))
	_ = retry.Do(context.Background(), policy.For("payments"), func(context.Context) error {
		return errors.New("connection reset by 192.0.2.7") // not in the log: it may hold secrets
	})
	// Output: level=WARN msg="call stopped" destination=payments reason=max_attempts attempts=3 hedges=0
}

// printDelays prints the wait that follows each attempt.
type printDelays struct{}

func (printDelays) CallDone(context.Context, retry.Report) {}

func (printDelays) AttemptDone(_ context.Context, a retry.Attempt) {
	if a.Retrying {
		fmt.Println(a.Delay)
	}
}

// A seeded source of jitter makes a simulation repeatable.
func ExampleWithRand() {
	half := func() float64 { return 0.5 } // of 50 ms, then of 100 ms
	policy := retry.Must(retry.New(retry.Config{}, retry.WithRand(half), retry.WithObserver(printDelays{})))
	_ = retry.Do(context.Background(), policy, func(context.Context) error { return io.ErrUnexpectedEOF })
	// Output:
	// 25ms
	// 50ms
}

func ExampleWithMaxDestinations() {
	policy := retry.Must(retry.New(retry.Config{}, retry.WithMaxDestinations(1)))
	first := policy.For("a")
	policy.For("b")
	fmt.Println(first == policy.For("a"))
	// Output: false
}

// A loop whose calls fail at once must not become a storm of first attempts.
func ExamplePace() {
	policy := retry.Must(retry.New(retry.Config{}))
	send := func(context.Context) error { return nil }
	ctx, sent := context.Background(), 0
	var pace retry.Pace
	for range 3 {
		err := retry.Do(ctx, policy, send)
		if err == nil {
			sent++
		}
		if pace.Wait(ctx, err) != nil {
			break
		}
	}
	fmt.Println(sent)
	// Output: 3
}
