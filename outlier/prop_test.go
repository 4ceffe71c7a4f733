package outlier_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/outlier"
)

// flight is an attempt under way.
type flight struct {
	outlier.Attempt
	b    *outlier.Backend
	sent time.Time
}

// laws drives a Group in any order of attempts, ends, and backends that come and go, and checks
// what must hold.
type laws struct {
	cfg     outlier.Config
	share   float64
	g       *outlier.Group
	now     time.Time
	bs      []*outlier.Backend
	flights []flight
	aside   map[*outlier.Backend]bool
	probing map[*outlier.Backend]time.Time
}

func newLaws(t *rapid.T) *laws {
	cfg := outlier.Config{
		Failures: rapid.IntRange(0, 8).Draw(t, "failures"),
		MaxShare: rapid.Float64Range(0, 1).Draw(t, "share"),
		Base:     time.Duration(rapid.IntRange(1, 3000).Draw(t, "base")) * time.Millisecond,
		Max:      10 * time.Second,
	}
	share := cfg.MaxShare
	if share == 0 {
		share = .5
	}
	return &laws{
		cfg: cfg, share: share, g: outlier.New(cfg), now: time.Unix(1e6, 0),
		aside: map[*outlier.Backend]bool{}, probing: map[*outlier.Backend]time.Time{},
	}
}

func pick(t *rapid.T, n int) int { return rapid.IntRange(0, n-1).Draw(t, "i") }

// follow checks an event: events alternate, no more are set aside than the share, and none for
// longer than Max.
func (l *laws) follow(t *rapid.T, b *outlier.Backend, e outlier.Event) {
	set := e.Change == outlier.SetAside
	if set == l.aside[b] {
		t.Fatalf("%v twice", e.Change)
	}
	l.aside[b] = set
	if set && (e.For <= 0 || e.For > l.cfg.Max) {
		t.Fatalf("for %v", e.For)
	}
	if n := count(l.aside); set && (len(l.bs) == 1 || n > max(1, int(l.share*float64(len(l.bs))))) {
		t.Fatalf("%d of %d", n, len(l.bs))
	}
}

func (l *laws) add(*rapid.T) {
	if len(l.bs) < 6 {
		l.bs = append(l.bs, l.g.Add("x"))
	}
}

func (l *laws) remove(t *rapid.T) {
	if len(l.bs) > 0 && pick(t, 8) == 0 {
		i := pick(t, len(l.bs))
		l.g.Remove(l.bs[i])
		delete(l.aside, l.bs[i])
		l.bs = append(l.bs[:i], l.bs[i+1:]...)
	}
}

// send checks that there is one probe at a time.
func (l *laws) send(t *rapid.T) {
	if len(l.bs) == 0 {
		return
	}
	b := l.bs[pick(t, len(l.bs))]
	l.now = l.now.Add(1)
	if b.State(l.now) == outlier.Due {
		if at, ok := l.probing[b]; ok && l.now.Sub(at) < l.cfg.Base {
			t.Fatal("two probes at a time")
		}
		l.probing[b] = l.now
	}
	a, e, changed := l.g.Send(l.now, b, pick(t, 4) > 0)
	l.flights = append(l.flights, flight{a, b, l.now})
	if changed {
		l.follow(t, b, e)
	}
}

func (l *laws) end(t *rapid.T) {
	if len(l.flights) == 0 {
		return
	}
	i := pick(t, len(l.flights))
	f := l.flights[i]
	l.flights = append(l.flights[:i], l.flights[i+1:]...)
	l.now = l.now.Add(time.Millisecond)
	r := outlier.Result(pick(t, 4))
	if pick(t, 3) > 0 && len(l.bs) > 0 { // else chance would set none aside
		r = outlier.Succeeded
		if f.b == l.bs[0] {
			r = outlier.Failed
		}
	}
	e, changed := l.g.Report(l.now, f.Attempt, r, l.now.Sub(f.sent))
	if l.probing[f.b].Equal(f.sent) {
		delete(l.probing, f.b)
	}
	if changed {
		l.follow(t, f.b, e)
	}
}

// check holds after each step: one backend is in use, and none is aside for longer than Max.
func (l *laws) check(t *rapid.T) {
	used := 0
	for _, b := range l.bs {
		if b.State(l.now) == outlier.InUse {
			used++
		}
		if b.State(l.now.Add(l.cfg.Max)) == outlier.Aside {
			t.Fatal("no probe within Max")
		}
	}
	if used == 0 && len(l.bs) > 0 {
		t.Fatal("none is used")
	}
}

func TestGroup_Laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLaws(t)
		fiveTimes := func(do func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				for range 5 {
					do(t)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": l.add, "remove": l.remove, "send": fiveTimes(l.send), "end": fiveTimes(l.end), "": l.check,
			"wait": func(t *rapid.T) { l.now = l.now.Add(time.Duration(pick(t, 4000)) * time.Millisecond) },
		})
	})
}

func count(m map[*outlier.Backend]bool) (n int) {
	for _, v := range m {
		if v {
			n++
		}
	}
	return n
}

// TestGroup_RandomFailuresSetFewAside makes ten minutes of attempts that fail at random on three
// equal backends.
func TestGroup_RandomFailuresSetFewAside(t *testing.T) {
	for _, p := range []float64{.01, .1, .3, .5, .9} {
		rng := rand.New(rand.NewPCG(7, uint64(p*100)))
		g := outlier.New(outlier.Config{})
		bs := []*outlier.Backend{g.Add("a"), g.Add("b"), g.Add("c")}
		now, events := time.Unix(1e6, 0), 0
		for i := range 60_000 { // 100/s
			now = now.Add(10 * time.Millisecond)
			b := bs[i%3]
			if b.State(now) == outlier.Aside {
				continue
			}
			a, _, changed := g.Send(now, b, true)
			assert.False(t, changed)
			r := outlier.Succeeded
			if rng.Float64() < p {
				r = outlier.Failed
			}
			took := time.Duration(float64(20*time.Millisecond) * rng.ExpFloat64())
			if e, _ := g.Report(now, a, r, took); e.Change == outlier.SetAside {
				events++
			}
		}
		assert.LessOrEqual(t, events, 3, "p=%v", p)
	}
}
