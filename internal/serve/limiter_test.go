package serve_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

func TestLimiter_ShedsResendsThenLeastImportant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(20, math.MaxInt64).Draw(t, "limit")
		last := int64(0)
		for _, attempt := range []int{2, 1} { // resends of whatever criticality before any first attempt
			for c := call.Sheddable; c <= call.CriticalPlus; c++ {
				room := serve.Room(limit, attempt, c)
				require.Greater(t, room, last)
				last = room
			}
		}
		require.Equal(t, limit, last)
	})
	require.EqualValues(t, 1, serve.Room(1, 9, call.Sheddable), "an idle server refuses nothing")
}

// Attempt numbers come from strangers.
func TestLimiter_AttemptNumberGainsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, math.MaxInt64).Draw(t, "limit")
		c := call.Criticality(rapid.IntRange(-3, 5).Draw(t, "criticality"))
		first, claimed := serve.Room(limit, 1, c), rapid.Int().Draw(t, "attempt")
		want := first
		if claimed > 1 {
			want = max(first/2, 1)
		}
		require.Equal(t, want, serve.Room(limit, claimed, c))
	})
}

func TestLimiter_CountsInFlight(t *testing.T) {
	l := serve.NewLimiter("", 2)
	require.True(t, l.Enter(1, call.CriticalPlus))
	require.False(t, l.Enter(2, call.CriticalPlus))
	require.False(t, l.Enter(1, call.Critical))
	require.True(t, l.Enter(1, call.CriticalPlus))
	require.False(t, l.Enter(1, call.CriticalPlus))
	l.Leave()
	l.Leave()
	require.True(t, l.Enter(2, call.Sheddable))
	require.PanicsWithValue(t, "option: must be at least 1", func() { serve.NewLimiter("option", 0) })
}

// A storm of resends, all of which are refused, costs no first attempt its place.
func TestLimiter_RefusedTakeNoPlace(t *testing.T) {
	l := serve.NewLimiter("", 100)
	for range 59 {
		require.True(t, l.Enter(1, call.Sheddable))
	}
	var over atomic.Bool
	var storm sync.WaitGroup
	for range 4 {
		storm.Go(func() {
			for !over.Load() {
				if l.Enter(2, call.CriticalPlus) {
					t.Error("a resend was admitted")
					return
				}
			}
		})
	}
	refused := 0
	for range 100_000 {
		if !l.Enter(1, call.Sheddable) {
			refused++
			continue
		}
		l.Leave()
	}
	over.Store(true)
	storm.Wait()
	require.Zero(t, refused)
}

func TestIncoming_StrangersCannotRaiseCriticality(t *testing.T) {
	everybody := func(int) bool { return true }
	nobody := func(int) bool { return false }
	for name, want := range map[string][2]call.Criticality{ // for strangers, and for those who are trusted
		"SHEDDABLE": {call.Sheddable, call.Sheddable}, "SHEDDABLE_PLUS": {call.SheddablePlus, call.SheddablePlus},
		"CRITICAL": {call.Critical, call.Critical}, "CRITICAL_PLUS": {call.Critical, call.CriticalPlus},
	} {
		for i, trusts := range []func(int) bool{nobody, everybody} {
			c, said := serve.Incoming(name, trusts, 0)
			require.True(t, said)
			require.Equal(t, want[i], c, name)
		}
		c, _ := serve.Incoming(name, nil, 0)
		require.Equal(t, want[0], c, name)
	}
	for _, name := range []string{"", "critical", "CRITICAL ", "unknown", "7"} {
		c, said := serve.Incoming(name, everybody, 0)
		require.False(t, said, name)
		require.Equal(t, call.Critical, c, name)
	}
}
