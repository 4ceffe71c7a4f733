package backoff

import (
	"math"
	"math/big"
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
		slot := new(big.Int).Add(big.NewInt(int64(now)), big.NewInt(int64(wait))) // may be more than an int64 holds
		require.Equal(t, int64(phase), slot.Mod(slot, big.NewInt(int64(period))).Int64())
	})
}
