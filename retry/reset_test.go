package retry_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A watch whose connection is lost once an hour goes on under the default policy, whatever its
// error.
func TestResetAfter_WatchContinues(t *testing.T) {
	for name, lost := range map[string]error{"a lost connection": io.EOF, "an error nobody knows": errors.New("watch: closed")} {
		for driver, do := range map[string]func(context.Context, *retry.Policy, func(context.Context) error) error{
			"Do": retry.Do,
			"DoValue": func(ctx context.Context, p *retry.Policy, op func(context.Context) error) error {
				_, err := retry.DoValue(ctx, p, func(ctx context.Context) (int, error) { return 0, op(ctx) })
				return err
			},
		} {
			t.Run(name+" "+driver, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					watch := func(p *retry.Policy) (runs int, err error) {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
						defer cancel()
						err = do(ctx, p, func(ctx context.Context) error {
							runs++
							if err := testkit.Pause(ctx, time.Hour); err != nil {
								return err
							}
							return lost
						})
						return runs, err
					}
					runs, err := watch(retry.Must(retry.New(retry.Config{ResetAfter: time.Minute})))
					require.Equal(t, 100, runs)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					runs, err = watch(retry.Must(retry.New(retry.Config{})))
					require.LessOrEqual(t, runs, 3, "off by default")
					require.NotErrorIs(t, err, context.DeadlineExceeded)
				})
			})
		}
	}
}

// Where the watch cannot be set up again the call ends as any other does.
func TestResetAfter_EndsIfFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := retry.Must(retry.New(retry.Config{ResetAfter: time.Minute}))
		runs := 0
		start := time.Now()
		err := retry.Do(t.Context(), p, func(context.Context) error {
			if runs++; runs <= 2 {
				time.Sleep(time.Hour)
			}
			return io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		require.LessOrEqual(t, runs, 5)
		require.Less(t, time.Since(start), 2*time.Hour+time.Minute)
	})
}

// What is silent until the attempt's timeout has not run well.
func TestResetAfter_NotAfterSilentAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testkit.Always(t, retry.Config{ResetAfter: time.Minute, AttemptTimeout: timeout.Fixed(time.Hour)})
		err := retry.Do(t.Context(), p, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		require.Equal(t, retry.ReasonMaxAttempts, testkit.Stopped(t, err).Reason)
	})
}
