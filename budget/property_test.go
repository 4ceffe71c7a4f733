package budget_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/budget"
)

// attempt is one that was sent, as the tests remember it.
type attempt struct {
	permit budget.Permit
	after  int // what had ended when it was sent
	retry  bool
	ended  bool
}

// model restates the rule of Adaptive for retries of a quiet client within one span, in whole
// numbers that never wrap.
type model struct {
	strict       bool
	ended        int // successes and failed retries
	open, growth int
	debt, wasted int
	earned       int // successes
	watching     bool
	from         int // what was sent before it is not fresh
	fresh        int // since the row began
	event, now   time.Duration
	closer       *attempt
	waiting      map[*attempt]bool
	lastWait     time.Duration
}

func (m *model) closed() bool { return m.debt >= 1 }

func (m *model) waste() float64 { return max(0, float64(m.wasted)-0.06*float64(m.earned)) }

func (m *model) pay() {
	for m.debt > -4 {
		price := 2
		if m.debt > 0 {
			price = 4
		}
		if m.fresh < price {
			return
		}
		m.fresh -= price
		m.debt--
	}
}

func (m *model) look() {
	m.pay()
	if m.debt <= 0 && m.open == 0 && m.now-m.event > 250*time.Millisecond {
		m.debt, m.watching = 0, false
	}
}

func (m *model) end(a *attempt, e budget.Evidence) {
	if e == alive {
		m.ended++
		m.earned++
		if m.watching && a.after >= m.from {
			m.fresh++
		}
		if !a.retry {
			return
		}
	}
	if e == nothing && !a.retry {
		return
	}
	m.look()
	if a.retry {
		m.open--
	}
	switch e {
	case alive:
		m.growth += 8
		if len(m.waiting) == 0 {
			m.growth = 0
		}
	case failed:
		m.fail(a)
	}
}

func (m *model) fail(a *attempt) {
	if !m.watching {
		m.watching, m.event, m.from = true, m.now, a.after
		m.fresh = min(m.ended-a.after, 16)
		m.pay()
	}
	m.fresh = 0
	if !a.retry {
		return
	}
	m.growth = 0
	m.wasted++
	if m.closed() {
		m.closer = nil
	} else if m.debt++; m.closed() {
		m.closer = a
	}
	m.ended++
	m.from = m.ended
}

func (m *model) ask(held *attempt, waits bool) budget.Answer {
	m.look()
	delete(m.waiting, held)
	room := 2
	if m.strict {
		room = 1
	}
	if len(m.waiting) > 0 || m.now-m.lastWait < time.Second {
		room += m.growth
	}
	switch {
	case m.waste()+1 > 20:
	case !m.closed() && m.open < room:
		return budget.Granted
	case !m.closed() || m.open > 0:
		m.waiting[held] = true
		m.lastWait = m.now
		return budget.Later
	case !m.strict && m.closer != nil && held.retry && held.after == m.closer.after:
		return budget.Granted
	}
	return budget.Refused
}

// recent returns one of the last sixteen attempts.
func recent(t *rapid.T, attempts []*attempt) *attempt {
	if len(attempts) == 0 {
		t.Skip("nothing sent yet")
	}
	back := min(rapid.IntRange(0, 15).Draw(t, "back"), len(attempts)-1)
	return attempts[len(attempts)-1-back]
}

// Any sequence of decisions, each of them atomic, stands for any interleaving of goroutines.
func TestAdaptive_MatchesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := budget.Adaptive{Strict: rapid.Bool().Draw(t, "strict"), Patience: time.Minute}
		b := spec.New()
		// Counters and ticks may be about to come around.
		ends := rapid.SampledFrom([]uint64{0, 1<<30 - 5, 1<<31 - 5, 1<<40 - 3}).Draw(t, "ends")
		elapsed := rapid.SampledFrom([]time.Duration{0, 1 << 48, 3 << 50}).Draw(t, "elapsed")
		budget.Age(b, ends, elapsed)
		m := &model{strict: spec.Strict, waiting: map[*attempt]bool{}}
		var attempts []*attempt
		good := 0
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					attempts = append(attempts, &attempt{permit: b.Begin(time.Time{}), after: m.ended})
				}
			},
			"wait": func(t *rapid.T) {
				m.now = min(m.now+time.Duration(rapid.IntRange(0, 300).Draw(t, "ms"))*time.Millisecond, 8*time.Second)
			},
			"ask": func(t *rapid.T) {
				held := recent(t, attempts)
				want := m.ask(held, false)
				p, got := ask(b, m.now.Seconds(), failed, held.permit)
				if want != got {
					t.Fatalf("the rule says %d, the budget %d", want, got)
				}
				if got == budget.Later {
					held.permit = p
					return
				}
				held.permit &^= 1 << 61
				if got == budget.Granted {
					m.open++
					attempts = append(attempts, &attempt{permit: p, after: m.ended, retry: true})
				}
			},
			"end": func(t *rapid.T) {
				e := rapid.SampledFrom([]budget.Evidence{nothing, alive, alive, failed}).Draw(t, "evidence")
				for range rapid.IntRange(1, 8).Draw(t, "n") {
					a := recent(t, attempts)
					if a.ended || m.waiting[a] || e == alive && good >= 32 { // more and it is not quiet
						continue
					}
					if e == alive {
						good++
					}
					a.ended = true
					b.End(at(m.now.Seconds()), a.permit, e)
					m.end(a, e)
				}
			},
		})
	})
}

// After the time T of the package comment's proof, a client that was well pays at most what it
// says there, whatever it was doing before and however its attempts end from then on.
func TestAdaptive_OutageCostsAtMostDocumented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strict := rapid.Bool().Draw(t, "strict")
		most := rapid.IntRange(1, 6).Draw(t, "MaxAttempts")
		b := full(budget.Adaptive{Strict: strict})
		var underWay []budget.Permit
		for range rapid.IntRange(0, 50).Draw(t, "under way") {
			underWay = append(underWay, b.Begin(at(0)))
		}
		succeed(b, 0, 1) // they were sent before
		type pending struct {
			permit budget.Permit
			sent   int
			ended  bool
		}
		var failing []*pending
		admitted := 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				failing = append(failing, &pending{permit: b.Begin(at(1)), sent: 1})
			case 1:
				if len(underWay) > 0 {
					b.End(at(2), underWay[0], alive)
					underWay = underWay[1:]
				}
			default:
				if len(failing) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(failing)-1).Draw(t, "which")
				a := failing[i]
				if !a.ended {
					b.End(at(2), a.permit, failed)
					a.ended = true
				}
				if a.sent >= most {
					continue
				}
				p, answer := ask(b, 2, failed, a.permit)
				switch answer {
				case budget.Granted:
					admitted++
					a.permit, a.sent, a.ended = p, a.sent+1, false
				case budget.Later:
					a.permit = p
				case budget.Refused:
					failing = append(failing[:i:i], failing[i+1:]...)
				}
			}
		}
		// two under way, up to four that successes of the same moment paid for, and what the
		// stopping call has left
		bound := 2 + 4 + 2 + max(0, most-2)
		if strict {
			bound = 1 + 4 + 1
		}
		require.LessOrEqual(t, admitted, bound)
	})
}

// Whatever happens: failed retries are at most twenty, what successes paid for, and those under
// way at once.
func TestAdaptive_WasteIsBoundedInAnySequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := budget.Adaptive{}.New()
		p := rapid.Float64Range(0, 1).Draw(t, "p")
		seed := rapid.Uint64().Draw(t, "seed")
		rng := newRand(seed)
		wasted, good, under, most := 0, 0, 0, 0
		var open []budget.Permit
		for i := range 3000 {
			now := float64(i) / 50
			for len(open) > 0 && rng.IntN(2) == 0 {
				q := open[0]
				open = open[1:]
				under--
				if rng.Float64() < p {
					b.End(at(now), q, failed)
					wasted++
				} else {
					b.End(at(now), q, alive)
					good++
				}
			}
			q := b.Begin(time.Time{})
			if rng.Float64() >= p {
				b.End(time.Time{}, q, alive)
				good++
				continue
			}
			b.End(at(now), q, failed)
			if q, ok := b.Admit(at(now), budget.Retry, failed, q); ok {
				open = append(open, q)
				under++
				most = max(most, under)
			}
		}
		require.LessOrEqual(t, float64(wasted), 20+0.06*float64(good)+float64(most)+2)
	})
}
