package drive_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestRace_LosersPanicReleasesWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := testkit.NewParent()
		p := testkit.Always(t, retry.Config{Hedge: timeout.Fixed(time.Second)})
		var discarded []int
		w := work[int]{
			Options: drive.Options{Hedge: true},
			send: func(ctx context.Context, attempt int) (int, error) {
				if attempt == 1 {
					<-ctx.Done()
					panic("boom")
				}
				return attempt, nil
			},
			keep:    func(v int, cancel context.CancelFunc) int { return v },
			discard: func(v int) { discarded = append(discarded, v) },
		}
		require.Panics(t, func() { _, _ = run(ctx, p, &w) })
		require.Zero(t, ctx.Registered(), "contexts left on the caller's")
		require.Equal(t, []int{2}, discarded, "an answer that nobody gets is closed")
	})
}

func TestRace_DiscardsLosersKeepsWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		discarded := map[int]bool{} // and whether its context had ended by then
		live := map[int]context.Context{}
		var release context.CancelFunc
		w := work[int]{
			Options: drive.Options{Hedge: true},
			send: func(ctx context.Context, attempt int) (int, error) {
				mu.Lock()
				live[attempt] = ctx
				mu.Unlock()
				switch attempt {
				case 1: // loses, and answers all the same
					<-ctx.Done()
					return 1, nil
				case 2: // fails
					return 2, testkit.ErrDown
				}
				time.Sleep(ms)
				return attempt, nil
			},
			discard: func(v int) {
				mu.Lock()
				defer mu.Unlock()
				discarded[v] = live[v].Err() != nil
			},
			keep: func(v int, cancel context.CancelFunc) int { release = cancel; return v * 100 },
		}
		ctx := testkit.NewParent()
		p := testkit.Always(t, retry.Config{Backoff: backoff.None(), Hedge: timeout.Fixed(10 * ms)})
		v, err := run(ctx, p, &w)
		require.NoError(t, err)
		require.Equal(t, 300, v)
		require.Equal(t, map[int]bool{1: true, 2: false}, discarded)
		require.NoError(t, live[3].Err(), "the winner's context lives until it is released")
		require.Equal(t, 1, ctx.Registered())
		release()
		require.Error(t, live[3].Err())
		require.Zero(t, ctx.Registered())
	})
}

// The price of a first attempt that costs nothing: it runs on the context of its caller.
func TestRace_DriverMayNumberResends(t *testing.T) {
	for _, cfg := range []retry.Config{{}, {Hedge: timeout.Fixed(time.Hour)}} {
		cfg.Backoff = backoff.None()
		for numbers, want := range map[bool][]int{false: {1, 2, 3}, true: {1, 1, 1}} {
			var got []int
			w := work[int]{
				Options: drive.Options{Numbers: numbers, Hedge: true},
				send: func(ctx context.Context, attempt int) (int, error) {
					got = append(got, retry.AttemptNumber(ctx))
					require.Equal(t, attempt, retry.AttemptNumber(&drive.ResendContext{Context: ctx, Attempt: attempt}))
					return 0, testkit.ErrDown
				},
			}
			_, err := run(t.Context(), testkit.Always(t, cfg), &w)
			require.Error(t, err)
			require.Equal(t, want, got)
		}
	}
}

func TestRun_ErrorClassifiedAsSuccessIsReported(t *testing.T) {
	for _, cfg := range []retry.Config{{}, {Hedge: timeout.Fixed(time.Hour)}} {
		o := &testkit.Watcher{}
		w := work[int]{
			Options:  drive.Options{Hedge: true},
			send:     func(context.Context, int) (int, error) { return 1, testkit.ErrDown },
			classify: func(drive.Result[int]) call.Outcome { return call.Outcome{} },
		}
		_, err := run(t.Context(), testkit.Always(t, cfg, retry.WithObserver(o)), &w)
		require.Equal(t, testkit.ErrDown, err)
		require.Equal(t, testkit.ErrDown, o.Attempts[0].Err)
		require.Equal(t, testkit.ErrDown, o.Reports[0].Err)
	}
}
