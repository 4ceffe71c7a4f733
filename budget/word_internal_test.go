package budget

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What Admit adds to the word in the common case is what the rule says, whatever the fields hold: none runs over into its
// neighbour.
func TestTheCommonAdmissionIsTheRules(t *testing.T) {
	b := Adaptive{Burst: 100}.New().(*Bucket)
	common := 0
	rapid.Check(t, func(t *rapid.T) {
		edge := func(name string, most uint64) state {
			return state(rapid.OneOf(rapid.Uint64Range(0, most), rapid.SampledFrom([]uint64{0, 1, most - 1, most})).Draw(t, name))
		}
		s := edge("tick", 1<<16-1) | edge("stamp", 1<<16-1)<<stampShift | edge("refused", 1)<<47
		s |= state(rapid.SampledFrom([]uint64{0, 999, 1000, 1001, 15000, 100000}).Draw(t, "tokens")) << tokensShift
		s |= edge("open", maxOpen)<<openShift | (state(b.narrow)+edge("window", maxWindow-b.narrow))<<windowShift
		now := s.tick() + rapid.SampledFrom([]uint16{0, 0, 0, 1, 1<<16 - 1}).Draw(t, "later")
		if !s.affords(now) {
			return
		}
		common++
		next, ok := s.admit(b, now, rapid.Uint64Range(0, depthMask).Draw(t, "depth"))
		require.True(t, ok)
		require.Equal(t, s+admission, next)
		require.Equal(t, s.stamp()+1, next.stamp())
		require.Equal(t, s.tokens()-token, next.tokens())
		require.Equal(t, s.open()+1, next.open())
		require.Equal(t, s.window(), next.window())
		require.Equal(t, s.tick(), next.tick())
		require.Equal(t, s&refusedBit, next&refusedBit)
	})
	require.Positive(t, common)
}
