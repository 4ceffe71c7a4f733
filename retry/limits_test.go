package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// lessons is a limit that records what it is told.
type lessons struct{ told *[]lesson }

type lesson struct {
	took     time.Duration
	answered bool
}

func (s lessons) Validate() error        { return nil }
func (s lessons) New() timeout.Limit     { return s }
func (s lessons) Timeout() time.Duration { return 10 * time.Second }
func (s lessons) Usual() time.Duration   { return 0 }
func (s lessons) Observe(_ time.Time, took time.Duration, answered bool) {
	*s.told = append(*s.told, lesson{took, answered})
}

func TestLimits_LearnLatencies(t *testing.T) {
	for name, set := range map[string]func(*retry.Config, lessons){
		"timeout": func(c *retry.Config, s lessons) { c.AttemptTimeout = s },
		"hedge":   func(c *retry.Config, s lessons) { c.Hedge = s },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []lesson
				cfg := retry.Config{MaxAttempts: 2}
				set(&cfg, lessons{&told})
				p := testkit.Always(t, cfg)
				call := func(acts ...act) []lesson {
					told = nil
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_ = retry.Do(ctx, p, func(ctx context.Context) error {
						_, err := play(acts...)(ctx)
						return err
					})
					return told
				}
				require.Equal(t, []lesson{{time.Second, true}}, call(act{after: time.Second}))
				require.Equal(t, []lesson{{time.Second, true}}, call(act{after: time.Second, err: retry.Permanent(testkit.ErrDown)}))
				require.Equal(t, []lesson{{ms, true}}, call(act{after: time.Second, err: testkit.ErrDown}, act{after: ms}),
					"a fast failure is not a fast answer")
				if name == "timeout" {
					require.Equal(t, []lesson{{10 * time.Second, false}, {ms, true}}, call(act{after: time.Hour}, act{after: ms}))
				} else {
					require.Equal(t, []lesson{{time.Minute, false}}, call(act{after: time.Hour}), "the caller's deadline")
				}
			})
		})
	}
}
