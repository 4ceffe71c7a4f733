package outlier_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/outlier"
)

// rig is a group of backends that are sent attempts in turn.
type rig struct {
	t   *testing.T
	g   *outlier.Group
	bs  []*outlier.Backend
	now time.Time
}

func newRig(t *testing.T, cfg outlier.Config, names ...string) *rig {
	t.Helper()
	require.NoError(t, cfg.Validate())
	r := &rig{t: t, g: outlier.New(cfg), now: time.Unix(1000, 0)}
	for _, n := range names {
		r.bs = append(r.bs, r.g.Add(n))
	}
	return r
}

// send reports one attempt that ends 10 ms later.
func (r *rig) send(b *outlier.Backend, res outlier.Result) (outlier.Event, bool) {
	return r.took(b, res, 10*time.Millisecond)
}

func (r *rig) took(b *outlier.Backend, res outlier.Result, d time.Duration) (outlier.Event, bool) {
	a, _, _ := r.g.Send(r.now, b, true)
	return r.g.Report(r.now.Add(d), a, res, d)
}

// round sends one attempt to each backend that is not set aside. It returns the first event.
func (r *rig) round(res ...outlier.Result) (first outlier.Event) {
	for i, b := range r.bs {
		if b.State(r.now) == outlier.Aside {
			continue
		}
		if e, changed := r.send(b, res[i]); changed && first.Change == 0 {
			first = e
		}
	}
	r.now = r.now.Add(30 * time.Millisecond)
	return first
}

// until makes rounds until an event comes, at most n.
func (r *rig) until(n int, res ...outlier.Result) (outlier.Event, int) {
	for i := range n {
		if e := r.round(res...); e.Change != 0 {
			return e, i + 1
		}
	}
	return outlier.Event{}, n
}

const (
	ok   = outlier.Succeeded
	bad  = outlier.Failed
	slow = outlier.Overtaken
)

func TestGroup_SetsAside(t *testing.T) {
	t.Run("failures_in_a_row", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		e, rounds := r.until(30, bad, ok, ok)
		assert.Equal(t, outlier.Event{Backend: "a", Change: outlier.SetAside, Cause: outlier.Failures, For: time.Second}, e)
		assert.LessOrEqual(t, rounds, 10)
	})
	t.Run("one_of_two", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b")
		e, rounds := r.until(30, ok, bad)
		assert.Equal(t, "b", e.Backend)
		assert.LessOrEqual(t, rounds, 12)
	})
	t.Run("overtaken_by_hedges", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		e, rounds := r.until(30, ok, slow, ok)
		assert.Equal(t, "b", e.Backend)
		assert.Equal(t, outlier.Latency, e.Cause)
		assert.LessOrEqual(t, rounds, 10)
	})
	t.Run("half_of_its_attempts_fail", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		for i := range 60 {
			e := r.round([]outlier.Result{ok, bad}[i%2], ok, ok)
			if e.Change != 0 {
				assert.Equal(t, outlier.Rate, e.Cause)
				return
			}
		}
		t.Fatal("was not set aside")
	})
	t.Run("slow_without_hedges", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		for range 60 {
			e, changed := r.took(r.bs[0], ok, 200*time.Millisecond)
			if changed {
				assert.Equal(t, outlier.Latency, e.Cause)
				return
			}
			r.send(r.bs[1], ok)
			r.send(r.bs[2], ok)
			r.now = r.now.Add(30 * time.Millisecond)
		}
		t.Fatal("was not set aside")
	})
}

func TestGroup_LeavesAlone(t *testing.T) {
	t.Run("a_single_backend", func(t *testing.T) {
		r := newRig(t, outlier.Config{MaxShare: 1}, "a")
		e, _ := r.until(200, bad)
		assert.Zero(t, e)
	})
	t.Run("all_that_fail_from_the_start", func(t *testing.T) {
		r := newRig(t, outlier.Config{MaxShare: 1}, "a", "b", "c")
		e, _ := r.until(500, bad, bad, bad)
		assert.Zero(t, e)
	})
	t.Run("all_that_fail_after_good_times", func(t *testing.T) {
		r := newRig(t, outlier.Config{MaxShare: 1}, "a", "b", "c")
		r.until(300, ok, ok, ok)
		e, _ := r.until(500, bad, bad, bad)
		assert.Zero(t, e)
	})
	t.Run("callers_that_give_up", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		e, _ := r.until(200, outlier.Ignored, ok, ok)
		assert.Zero(t, e)
	})
	t.Run("a_little_slower_in_milliseconds", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b")
		for range 300 {
			_, changed := r.took(r.bs[0], ok, 2*time.Millisecond)
			require.False(t, changed)
			_, changed = r.took(r.bs[1], ok, 200*time.Microsecond)
			require.False(t, changed)
			r.now = r.now.Add(30 * time.Millisecond)
		}
	})
	t.Run("more_than_the_share", func(t *testing.T) {
		r := newRig(t, outlier.Config{MaxShare: .5}, "a", "b", "c", "d")
		for range 100 {
			r.round(bad, bad, bad, ok)
		}
		aside := 0
		for _, b := range r.bs {
			if b.State(r.now) != outlier.InUse {
				aside++
			}
		}
		assert.Equal(t, 2, aside)
	})
}

// silent sends an attempt to each backend every 30 ms, of which the first answers nothing.
func (r *rig) silent(n int, answers func(i int) bool) outlier.Event {
	for range n {
		for i, b := range r.bs {
			if a, e, changed := r.g.Send(r.now, b, true); changed {
				return e
			} else if answers(i) {
				r.g.Report(r.now.Add(10*time.Millisecond), a, ok, 10*time.Millisecond)
			}
		}
		r.now = r.now.Add(30 * time.Millisecond)
	}
	return outlier.Event{}
}

func TestGroup_Silence(t *testing.T) {
	first := func(i int) bool { return i > 0 }
	t.Run("of_one_sets_it_aside", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		start := r.now
		e := r.silent(100, first)
		assert.Equal(t, outlier.Event{Backend: "a", Change: outlier.SetAside, Cause: outlier.Latency, For: time.Second}, e)
		assert.LessOrEqual(t, r.now.Sub(start), 300*time.Millisecond)
	})
	t.Run("after_good_times", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		r.until(500, ok, ok, ok)
		assert.Equal(t, "a", r.silent(20, first).Backend)
	})
	t.Run("of_all_says_nothing", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		r.until(500, ok, ok, ok)
		assert.Zero(t, r.silent(500, func(int) bool { return false }))
	})
	t.Run("of_an_idle_backend_says_nothing", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		r.until(500, ok, ok, ok)
		for range 100 {
			r.send(r.bs[1], ok)
			r.send(r.bs[2], ok)
			r.now = r.now.Add(30 * time.Millisecond)
		}
		for range 10 { // at once
			_, _, changed := r.g.Send(r.now, r.bs[0], true)
			require.False(t, changed)
		}
	})
	t.Run("of_streams_says_nothing", func(t *testing.T) {
		r := newRig(t, outlier.Config{}, "a", "b", "c")
		for range 100 {
			_, _, changed := r.g.Send(r.now, r.bs[0], false)
			require.False(t, changed)
			r.send(r.bs[1], ok)
			r.send(r.bs[2], ok)
			r.now = r.now.Add(30 * time.Millisecond)
		}
	})
}

func TestGroup_OldAttemptsIgnoredAfterReturn(t *testing.T) {
	r := newRig(t, outlier.Config{}, "a", "b", "c")
	var old []outlier.Attempt
	for range 30 {
		a, _, _ := r.g.Send(r.now, r.bs[0], true)
		old = append(old, a)
	}
	r.until(30, bad, ok, ok)
	r.now = r.now.Add(time.Second)
	e, _ := r.send(r.bs[0], ok)
	require.Equal(t, outlier.TakenBack, e.Change)
	for _, a := range old {
		_, changed := r.g.Report(r.now, a, bad, 0)
		require.False(t, changed)
		r.send(r.bs[1], ok)
	}
}

// Attempts that hang at a backend which is set aside must not make its siblings look as if they
// hung too.
func TestGroup_SilentSiblingUnaffected(t *testing.T) {
	r := newRig(t, outlier.Config{}, "a", "b", "c", "d")
	require.Equal(t, "a", r.silent(100, func(i int) bool { return i > 0 }).Backend)
	for range 20 {
		a, _, _ := r.g.Send(r.now, r.bs[1], true)
		r.g.Report(r.now.Add(10*time.Millisecond), a, ok, 10*time.Millisecond)
	}
	start := r.now
	require.Equal(t, "b", r.silentOf(100, 1).Backend)
	assert.LessOrEqual(t, r.now.Sub(start), 220*time.Millisecond)
}

// silentOf sends attempts to all backends but the first, of which one answers nothing.
func (r *rig) silentOf(n, silent int) outlier.Event {
	for range n {
		for i, b := range r.bs[1:] {
			if a, e, changed := r.g.Send(r.now, b, true); changed {
				return e
			} else if i+1 != silent {
				r.g.Report(r.now.Add(10*time.Millisecond), a, ok, 10*time.Millisecond)
			}
		}
		r.now = r.now.Add(30 * time.Millisecond)
	}
	return outlier.Event{}
}

func TestGroup_Probes(t *testing.T) {
	r := newRig(t, outlier.Config{Max: 4 * time.Second}, "a", "b", "c")
	a := r.bs[0]
	r.until(30, bad, ok, ok)
	require.Equal(t, outlier.Aside, a.State(r.now))

	for _, d := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		r.now = r.now.Add(d - 100*time.Millisecond)
		require.Equal(t, outlier.Aside, a.State(r.now), "before %v", d)
		r.now = r.now.Add(100 * time.Millisecond)
		require.Equal(t, outlier.Due, a.State(r.now), "after %v", d)
		probe, _, _ := r.g.Send(r.now, a, true)
		require.Equal(t, outlier.Aside, a.State(r.now), "one at a time")
		_, changed := r.g.Report(r.now, probe, bad, 0)
		require.False(t, changed)
	}

	r.now = r.now.Add(4 * time.Second)
	require.Equal(t, outlier.Due, a.State(r.now))
	probe, _, _ := r.g.Send(r.now, a, true)
	_, changed := r.g.Report(r.now, probe, outlier.Ignored, 0)
	require.False(t, changed)
	require.Equal(t, outlier.Due, a.State(r.now), "a probe that says nothing is followed by another")

	e, changed := r.send(a, ok)
	require.True(t, changed)
	assert.Equal(t, outlier.TakenBack, e.Change)
	assert.Equal(t, outlier.InUse, a.State(r.now))

	e, _ = r.until(30, bad, ok, ok)
	assert.Equal(t, 4*time.Second, e.For, "set aside again at once: for as long")
	r.now = r.now.Add(4 * time.Second)
	r.send(a, ok)
	r.until(3000, ok, ok, ok) // 90 s
	e, _ = r.until(30, bad, ok, ok)
	assert.Equal(t, time.Second, e.For, "after good times: as at first")
}

func TestGroup_EndlessProbe(t *testing.T) {
	r := newRig(t, outlier.Config{}, "a", "b", "c")
	r.until(30, bad, ok, ok)
	r.now = r.now.Add(time.Second)
	r.g.Send(r.now, r.bs[0], true)
	require.Equal(t, outlier.Aside, r.bs[0].State(r.now.Add(time.Second-1)))
	assert.Equal(t, outlier.Due, r.bs[0].State(r.now.Add(time.Second)))
}

func TestGroup_SlowProbeFails(t *testing.T) {
	r := newRig(t, outlier.Config{}, "a", "b", "c")
	r.until(30, slow, ok, ok)
	r.now = r.now.Add(time.Second)
	_, changed := r.took(r.bs[0], ok, 300*time.Millisecond)
	require.False(t, changed)
	require.Equal(t, outlier.Aside, r.bs[0].State(r.now.Add(time.Second)))
	r.now = r.now.Add(3 * time.Second)
	e, _ := r.took(r.bs[0], ok, 12*time.Millisecond)
	assert.Equal(t, outlier.TakenBack, e.Change)
}

func TestGroup_UsesAllIfAllSetAside(t *testing.T) {
	r := newRig(t, outlier.Config{}, "a", "b", "c")
	a := r.bs[0]
	r.until(30, bad, ok, ok)
	require.Equal(t, outlier.Aside, a.State(r.now))
	r.g.Remove(r.bs[1])
	require.Equal(t, outlier.Aside, a.State(r.now))
	r.g.Remove(r.bs[2])
	require.Equal(t, outlier.InUse, a.State(r.now), "no other is left")
	e, _ := r.send(a, ok)
	assert.Equal(t, outlier.TakenBack, e.Change)
	_, changed := r.send(r.bs[1], bad)
	assert.False(t, changed, "removed")
}

func TestConfig_Validate(t *testing.T) {
	for name, c := range map[string]outlier.Config{
		"Failures": {Failures: -1}, "Excess": {Excess: math.NaN()}, "Slower": {Slower: 1}, "MaxShare": {MaxShare: 1.1},
		"Base": {Base: -1}, "Max": {Base: 2 * time.Minute, Max: time.Minute},
	} {
		assert.ErrorContains(t, c.Validate(), name)
	}
	assert.NoError(t, outlier.Config{Base: 2 * time.Minute}.Validate())
}
