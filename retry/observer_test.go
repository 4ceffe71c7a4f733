package retry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// free is the budget of the policies that always makes.
var free = budget.Unlimited{}.New()

func TestObserver_Success(t *testing.T) {
	for name, cfg := range map[string]retry.Config{"in turn": {}, "hedged": {Hedge: timeout.Fixed(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &testkit.Watcher{}
				start := time.Now()
				_, err := retry.DoValue(t.Context(), testkit.Always(t, cfg, retry.WithObserver(w)).For("x"), play(act{after: time.Second}))
				require.NoError(t, err)
				require.Equal(t, []retry.Attempt{{Destination: "x", Number: 1, Sent: start, Took: time.Second, Max: 3}}, w.Attempts)
				require.Equal(t, []retry.Report{{Destination: "x", Reason: retry.ReasonSuccess, Attempts: 1, Answer: 1, Budget: free}}, w.Reports)
				require.Equal(t, []string{"attempt 1", "call"}, w.Order)
			})
		})
	}
}

func TestObserver_FailureAndRetry(t *testing.T) {
	for name, cfg := range map[string]retry.Config{"in turn": {}, "hedged": {Hedge: timeout.Fixed(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &testkit.Watcher{}
				start := time.Now()
				_, err := retry.DoValue(t.Context(), testkit.Always(t, cfg, retry.WithObserver(w)),
					play(act{after: time.Minute, err: testkit.ErrDown}, act{after: ms}))
				require.NoError(t, err)
				require.Equal(t, []retry.Attempt{
					{
						Number: 1, Sent: start, Took: time.Minute, Outcome: transient, Err: testkit.ErrDown, Max: 3,
						Retrying: true, Delay: time.Second,
					},
					{
						Number: 2, Kind: budget.Retry, Sent: start.Add(time.Minute + time.Second), Took: ms,
						Waited: time.Second, Max: 3,
					},
				}, w.Attempts)
				require.Equal(t, []retry.Report{
					{Reason: retry.ReasonSuccess, Attempts: 2, Answer: 2, Waited: time.Second, Budget: free},
				}, w.Reports)
				require.Equal(t, 1, w.Reports[0].Retries())
				require.Equal(t, []string{"attempt 1", "attempt 2", "call"}, w.Order)
			})
		})
	}
}

func TestObserver_Hedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		start := time.Now()
		_, err := retry.DoValue(t.Context(), hedging(t, retry.Config{}, retry.WithObserver(w)),
			play(act{after: time.Hour}, act{after: ms}))
		require.NoError(t, err)
		require.Len(t, w.Attempts, 2)
		byNumber := map[int]retry.Attempt{}
		for _, a := range w.Attempts {
			byNumber[a.Number] = a
		}
		require.Equal(t, retry.Attempt{
			Number: 1, Sent: start, Took: 11 * ms, Outcome: retry.Outcome{Class: retry.Canceled}, Err: context.Canceled, Max: 3,
			Lost: true,
		}, byNumber[1])
		require.Equal(t, retry.Attempt{Number: 2, Kind: budget.Hedge, Sent: start.Add(10 * ms), Took: ms, Max: 3}, byNumber[2])
		require.Equal(t, []retry.Report{
			{Reason: retry.ReasonSuccess, Attempts: 2, Hedges: 1, Answer: 2, Hedged: true, Budget: free},
		}, w.Reports)
		require.Zero(t, w.Reports[0].Retries())
	})
}

func TestObserver_CanceledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &testkit.Watcher{}
		p := testkit.Always(t, retry.Config{}, retry.WithObserver(w))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = retry.Do(ctx, p, func(ctx context.Context) error { return testkit.Pause(ctx, time.Hour) })
		require.Equal(t, retry.Canceled, w.Attempts[0].Outcome.Class)
		require.Equal(t, []retry.Report{
			{Reason: retry.ReasonDeadline, Attempts: 1, Answer: 1, Err: context.DeadlineExceeded, Budget: free},
		}, w.Reports)

		_ = retry.Do(ctx, p, func(context.Context) error { return nil }) // it has ended already
		require.Len(t, w.Attempts, 1)
		require.Equal(t, retry.Report{Reason: retry.ReasonDeadline, Err: context.DeadlineExceeded, Budget: free}, w.Reports[1])
		require.Equal(t, []string{"attempt 1", "call", "call"}, w.Order)
	})
}

func TestObserver_Unprocessed(t *testing.T) {
	synctest.Test(t, observerOfWhatIsHandedBack)
}

func observerOfWhatIsHandedBack(t *testing.T) {
	w := &testkit.Watcher{}
	p := testkit.Always(t, retry.Config{MaxAttempts: 1}, retry.WithObserver(w), retry.WithClassifier(
		func(error) retry.Outcome { return handedBack },
	))
	require.NoError(t, retry.Do(t.Context(), p, func(ctx context.Context) error {
		if retry.AttemptNumber(ctx) < 3 {
			return testkit.ErrDown
		}
		return nil
	}))
	require.Equal(t, []retry.Report{{Reason: retry.ReasonSuccess, Attempts: 3, Unprocessed: 2, Answer: 3, Budget: free}}, w.Reports)
	require.Zero(t, w.Reports[0].Retries())
	require.Len(t, w.Attempts, 3)
}

func TestObservers_CalledInOrder(t *testing.T) {
	var order []string
	told := func(name string) retry.Option {
		return retry.WithObserver(&testkit.Watcher{On: func(retry.Attempt) { order = append(order, name) }})
	}
	last := &testkit.Watcher{}
	p := testkit.Always(t, retry.Config{}, told("one"), told("two"), told("three"), retry.WithObserver(last))
	require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
	require.Equal(t, []string{"one", "two", "three"}, order)
	require.Len(t, last.Reports, 1)
}

type tagKey struct{}

type tagged struct{ seen []any }

func (o *tagged) AttemptDone(ctx context.Context, _ retry.Attempt) {
	o.seen = append(o.seen, ctx.Value(tagKey{}), ctx.Err())
}

func (o *tagged) CallDone(ctx context.Context, _ retry.Report) { o.AttemptDone(ctx, retry.Attempt{}) }

func TestObserver_GetsCallsContext(t *testing.T) {
	ctx := context.WithValue(t.Context(), tagKey{}, "tag")
	for _, cfg := range []retry.Config{{AttemptTimeout: timeout.Fixed(time.Hour)}, {Hedge: timeout.Fixed(time.Hour)}} {
		o := &tagged{}
		_, err := retry.DoValue(ctx, testkit.Always(t, cfg, retry.WithObserver(o)), func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		require.Equal(t, []any{"tag", nil, "tag", nil}, o.seen)
	}
}

func TestLogObserver(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p := testkit.Always(t, retry.Config{Backoff: backoff.None()}, retry.WithObserver(retry.LogObserver(log, slog.LevelWarn))).For("payments")
	secret := errors.New("card ending in SECRET refused")

	require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
	require.NoError(t, retry.Do(t.Context(), p, func(ctx context.Context) error {
		if retry.AttemptNumber(ctx) == 1 {
			return secret
		}
		return nil
	}))
	require.Empty(t, out.String(), "a call that succeeds is not logged")

	require.Error(t, retry.Do(t.Context(), p, func(context.Context) error { return secret }))
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one record a call")
	require.NotContains(t, out.String(), "SECRET")
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record))
	delete(record, "time")
	require.Equal(t, map[string]any{
		"level": "WARN", "msg": "call stopped", "destination": "payments", "reason": "max_attempts",
		"attempts": 3.0, "hedges": 0.0, "waited": 0.0,
	}, zeroWaited(t, record))

	out.Reset()
	quiet := testkit.Always(t, retry.Config{}, retry.WithObserver(retry.LogObserver(log, slog.LevelInfo)))
	require.Error(t, retry.Do(t.Context(), quiet, func(context.Context) error { return retry.Permanent(secret) }))
	require.Empty(t, out.String(), "below the logger's level")
	require.Panics(t, func() { retry.LogObserver(nil, slog.LevelInfo) })
}

func TestLogObserver_Attempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
			Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.LevelKey || a.Key == slog.MessageKey {
					return a
				}
				return slog.Attr{}
			},
		}))
		o := retry.LogObserver(log, slog.LevelWarn, slog.LevelDebug)
		p := testkit.Always(t, retry.Config{Backoff: backoff.Constant(120 * ms)}, retry.WithObserver(o))
		secret := errors.New("card ending in SECRET refused")

		require.NoError(t, retry.Do(t.Context(), p, func(context.Context) error { return nil }))
		require.Empty(t, out.String(), "a first attempt that succeeds is not logged")
		require.Error(t, retry.Do(t.Context(), p, func(context.Context) error { return secret }))
		require.Equal(t, []string{
			`level=DEBUG msg="attempt 1 of 3 failed (transient), retrying in 120ms"`,
			`level=DEBUG msg="attempt 2 of 3 failed (transient), retrying in 120ms"`,
			`level=DEBUG msg="attempt 3 of 3 failed (transient)"`,
			`level=WARN msg="call stopped"`, "",
		}, strings.Split(out.String(), "\n"))

		out.Reset()
		hedged := hedging(t, retry.Config{}, retry.WithObserver(o))
		_, err := retry.DoValue(t.Context(), hedged, play(act{after: time.Hour}, act{after: ms}))
		require.NoError(t, err)
		require.ElementsMatch(t, []string{
			`level=DEBUG msg="attempt 1 of 3 lost the race"`, `level=DEBUG msg="attempt 2 of 3 succeeded"`, "",
		}, strings.Split(out.String(), "\n"))
		require.Panics(t, func() { retry.LogObserver(log, slog.LevelInfo, slog.LevelInfo, slog.LevelInfo) })
	})
}

func TestObserver_WhoCanceled(t *testing.T) {
	for name, want := range map[string]retry.Reason{"canceled": retry.ReasonCanceled, "deadline": retry.ReasonDeadline} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &testkit.Watcher{}
				ctx, cancel := context.WithCancel(t.Context())
				if want == retry.ReasonDeadline {
					ctx, cancel = context.WithTimeout(t.Context(), 50*ms)
				} else {
					time.AfterFunc(50*ms, cancel)
				}
				defer cancel()
				_, err := retry.DoValue(ctx, hedging(t, retry.Config{}, retry.WithObserver(w)),
					play(act{after: time.Hour}, act{after: time.Hour}, act{after: time.Hour}))
				require.Error(t, err)
				require.NotEmpty(t, w.Attempts)
				for _, a := range w.Attempts {
					require.Equal(t, retry.Outcome{Class: retry.Canceled, Forbidden: want}, a.Outcome)
					require.False(t, a.Lost)
				}
			})
		})
	}
}

// zeroWaited sets to zero the one figure that depends on the machine's speed.
func zeroWaited(t *testing.T, record map[string]any) map[string]any {
	require.GreaterOrEqual(t, record["waited"], 0.0)
	record["waited"] = 0.0
	return record
}

func TestReport_HasDestinationsBudget(t *testing.T) {
	w := &testkit.Watcher{}
	p := testkit.Always(t, retry.Config{Budget: budget.TokenBucket{}}, retry.WithObserver(w))
	for _, name := range []string{"a", "b", "a"} {
		require.NoError(t, retry.Do(t.Context(), p.For(name), func(context.Context) error { return nil }))
	}
	require.Same(t, w.Reports[0].Budget, w.Reports[2].Budget)
	require.NotSame(t, w.Reports[0].Budget, w.Reports[1].Budget)
	require.InDelta(t, 1, w.Reports[0].Budget.(budget.Leveler).Level(), 0)
}
