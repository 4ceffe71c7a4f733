package dest_test

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/dest"
)

func TestPauses_SeparateByDestinationAndKey(t *testing.T) {
	now := time.Unix(1e9, 0)
	ps := dest.NewPauses(16)
	a, b := ps.Of("a"), ps.Of("b")
	require.False(t, a.Active())
	a.Set(now, "k", time.Minute)
	require.True(t, a.Active())
	require.True(t, b.Active(), "it is asked whether anything is paused")
	for name, c := range map[string]struct {
		p    *dest.Pause
		key  string
		want time.Duration
	}{"its own": {a, "k", time.Minute}, "another key": {a, "", 0}, "another destination": {b, "k", 0}} {
		left, asked := c.p.Left(now, c.key)
		require.Equal(t, c.want, left, name)
		require.Equal(t, c.want, asked, name)
	}
	left, asked := ps.Of("a").Left(now.Add(59*time.Second), "k")
	require.Equal(t, time.Second, left)
	require.Equal(t, time.Minute, asked)
	left, _ = a.Left(now.Add(time.Minute), "k")
	require.Zero(t, left)
	require.False(t, a.Active(), "all are over")
}

func TestPauses_LongestWaitCounts(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := dest.NewPauses(16).Of("")
	p.Set(now, "", time.Minute)
	p.Set(now.Add(time.Second), "", time.Second)
	left, asked := p.Left(now.Add(time.Second), "")
	require.Equal(t, 59*time.Second, left)
	require.Equal(t, time.Minute, asked)
	p.Set(now.Add(time.Second), "", time.Hour)
	left, _ = p.Left(now.Add(time.Second), "")
	require.Equal(t, time.Hour, left)
}

// However the clock moves, a wait is no longer than what was asked for, and never negative.
func TestPauses_ClockStepsNeverLengthen(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := dest.NewPauses(16).Of("")
	p.Set(now, "", time.Minute)
	left, _ := p.Left(now.Add(-time.Hour), "")
	require.Equal(t, time.Minute, left)
	p.Set(now.Add(-time.Hour), "", time.Second)
	left, _ = p.Left(now.Add(-time.Hour), "")
	require.Equal(t, time.Second, left, "an older wait that never ends is replaced")
	left, _ = p.Left(now.Add(time.Hour), "")
	require.Zero(t, left)
	p.Set(now, "", math.MaxInt64)
	left, _ = p.Left(now, "")
	require.GreaterOrEqual(t, left, time.Duration(0))
}

func TestPauses_AreBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := dest.NewPauses(4).Of("")
	for i := range 1000 {
		p.Set(now, strconv.Itoa(i), time.Minute)
	}
	n := 0
	for i := range 1000 {
		if left, _ := p.Left(now, strconv.Itoa(i)); left > 0 {
			n++
		}
	}
	require.Equal(t, 4, n)
}

func TestPauses_ConcurrentUse(t *testing.T) {
	ps := dest.NewPauses(8)
	now := time.Unix(1e9, 0)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			p := ps.Of(strconv.Itoa(g % 3))
			for i := range 1000 {
				at := now.Add(time.Duration(i) * time.Millisecond)
				if i%10 == g {
					p.Set(at, "", time.Millisecond)
				}
				if left, _ := p.Left(at, ""); left < 0 {
					t.Error(left)
				}
			}
		})
	}
	wg.Wait()
	end := now.Add(time.Hour)
	ps.Of("0").Set(end, "", time.Second)
	left, _ := ps.Of("0").Left(end, "")
	require.Equal(t, time.Second, left, "a wait that is set is seen")
}

func TestPauses_LookupDoesNotAllocate(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := dest.NewPauses(8).Of("a")
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Left(now, "k") }))
	p.Set(now, "k", time.Minute)
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Left(now, "k") }))
	require.False(t, (*dest.Pause)(nil).Active())
}
