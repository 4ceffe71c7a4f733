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

// TestGroup_Laws holds at any order of attempts, ends, and backends that come and go: events
// alternate, no more are set aside than the share, there is one probe at a time, and none is set
// aside for longer than Max.
func TestGroup_Laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
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
		g := outlier.New(cfg)
		var (
			now     = time.Unix(1e6, 0)
			bs      []*outlier.Backend
			flights []flight
			aside   = map[*outlier.Backend]bool{}
			probing = map[*outlier.Backend]time.Time{}
		)
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "i") }
		follow := func(t *rapid.T, b *outlier.Backend, e outlier.Event) {
			set := e.Change == outlier.SetAside
			if set == aside[b] {
				t.Fatalf("%v twice", e.Change)
			}
			aside[b] = set
			if set && (e.For <= 0 || e.For > cfg.Max) {
				t.Fatalf("for %v", e.For)
			}
			if n := count(aside); set && (len(bs) == 1 || n > max(1, int(share*float64(len(bs))))) {
				t.Fatalf("%d of %d", n, len(bs))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				if len(bs) < 6 {
					bs = append(bs, g.Add("x"))
				}
			},
			"remove": func(t *rapid.T) {
				if len(bs) > 0 && pick(8) == 0 {
					i := pick(len(bs))
					g.Remove(bs[i])
					delete(aside, bs[i])
					bs = append(bs[:i], bs[i+1:]...)
				}
			},
			"send": func(t *rapid.T) {
				for range 5 {
					if len(bs) == 0 {
						return
					}
					b := bs[pick(len(bs))]
					now = now.Add(1)
					if b.State(now) == outlier.Due {
						if at, ok := probing[b]; ok && now.Sub(at) < cfg.Base {
							t.Fatal("two probes at a time")
						}
						probing[b] = now
					}
					a, e, changed := g.Send(now, b, pick(4) > 0)
					flights = append(flights, flight{a, b, now})
					if changed {
						follow(t, b, e)
					}
				}
			},
			"end": func(t *rapid.T) {
				for range 5 {
					if len(flights) == 0 {
						return
					}
					i := pick(len(flights))
					f := flights[i]
					flights = append(flights[:i], flights[i+1:]...)
					now = now.Add(time.Millisecond)
					r := outlier.Result(pick(4))
					if pick(3) > 0 && len(bs) > 0 { // else chance would set nobody aside
						r = outlier.Succeeded
						if f.b == bs[0] {
							r = outlier.Failed
						}
					}
					e, changed := g.Report(now, f.Attempt, r, now.Sub(f.sent))
					if probing[f.b].Equal(f.sent) {
						delete(probing, f.b)
					}
					if changed {
						follow(t, f.b, e)
					}
				}
			},
			"wait": func(*rapid.T) { now = now.Add(time.Duration(pick(4000)) * time.Millisecond) },
			"": func(t *rapid.T) {
				used := 0
				for _, b := range bs {
					if b.State(now) == outlier.InUse {
						used++
					}
					if b.State(now.Add(cfg.Max)) == outlier.Aside {
						t.Fatal("no probe within Max")
					}
				}
				if used == 0 && len(bs) > 0 {
					t.Fatal("none is used")
				}
			},
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

// TestGroup_ChanceSetsFewAside makes ten minutes of attempts that fail at random on three equal
// backends.
func TestGroup_ChanceSetsFewAside(t *testing.T) {
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
