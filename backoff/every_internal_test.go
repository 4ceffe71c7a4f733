package backoff

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every clock, even one that was set to before 1970, and every period.
func TestUntilSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		period := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "period"))
		phase := Phase(rapid.String().Draw(t, "key"), period)
		now := time.Duration(rapid.Int64().Draw(t, "now"))
		wait := untilSlot(now, phase, period)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.Less(t, wait, period)
		into := (now%period + wait%period) % period // no sum of two remainders of one sign is needed below
		if now%period > math.MaxInt64-wait {
			into = now%period - (period - wait)
		}
		if into < 0 {
			into += period
		}
		require.Equal(t, phase, into)
	})
}
