package budget_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/budget"
)

// model says the rule of Adaptive in the words of the package comment: it remembers every retry and every attempt.
type model struct {
	spec    budget.Adaptive
	tokens  int // thousandths
	window  int // eighths
	refused bool
	unsure  bool // a retry that was taken back may still count as open, and its answer widen the window
	tick    int64
	sent    int          // retries admitted so far
	open    map[int]bool // those that are unanswered
}

type attempt struct {
	permit budget.Permit
	sent   int // how many retries had been admitted when it was sent, itself included
	depth  int // how many retries its call has had
	retry  bool
	ended  bool
}

func newModel(s budget.Adaptive) *model {
	m := &model{spec: s, tokens: 10_000, open: map[int]bool{}}
	m.window = m.narrow()
	return m
}

func (m *model) narrow() int {
	if m.spec.Strict {
		return 8
	}
	return 16
}

// allows says what the rule says, and follows what the budget did.
func (m *model) allows(tick int64, held attempt, admitted bool) bool {
	window, open, age := m.window, len(m.open), max(0, tick-m.tick)
	window = max(m.narrow(), window-int(min(age, 1000)))
	own := !m.spec.Strict && held.depth < 4 && open <= held.depth
	look := open >= window/8 && age >= 13<<min(open-window/8, 6)
	allowed := m.tokens >= 1000 && (open < window/8 || own || look)
	if !admitted {
		m.refused = m.refused || m.tokens >= 1000
		return allowed
	}
	m.tokens -= 1000
	m.window = window
	m.tick = max(m.tick, tick)
	m.sent++
	m.open[m.sent] = true
	return allowed
}

func (m *model) end(a attempt, e budget.Evidence) {
	switch {
	case e == alive:
		m.tokens = min(m.tokens+100, 15_000)
		answered := false
		for n := range m.open {
			if n <= a.sent {
				delete(m.open, n)
				answered = true
			}
		}
		if m.refused && (answered || m.unsure) {
			m.refused = m.unsure
			m.window = min(m.window+8, 255)
		}
		if a.sent == m.sent {
			m.unsure = false
		}
	case e == unsent && a.retry:
		m.unsure = true
		m.tokens = min(m.tokens+1000, 15_000)
		delete(m.open, a.sent)
	}
}

// drive makes any sequence of decisions, each of them atomic, and so stands for any interleaving of goroutines.
// check is told of each request what the rule says and what the budget did.
func drive(t *rapid.T, ends []budget.Evidence, check func(allowed, admitted bool)) {
	spec := budget.Adaptive{Strict: rapid.Bool().Draw(t, "strict")}
	b, m := spec.New(), newModel(spec)
	now := at(0)
	var attempts []attempt
	pick := func(t *rapid.T) *attempt {
		if len(attempts) == 0 {
			t.Skip("nothing sent yet")
		}
		// the latest are the likeliest, so that chains of retries come about
		back := min(rapid.IntRange(0, 15).Draw(t, "back"), len(attempts)-1)
		return &attempts[len(attempts)-1-back]
	}
	t.Repeat(map[string]func(*rapid.T){
		"begin": func(t *rapid.T) {
			for range rapid.IntRange(1, 12).Draw(t, "n") {
				attempts = append(attempts, attempt{permit: b.Begin(now), sent: m.sent})
			}
		},
		"wait": func(t *rapid.T) {
			now = at(now.Sub(at(0)).Seconds() + rapid.Float64Range(0, 150).Draw(t, "seconds"))
		},
		"admit": func(t *rapid.T) {
			held := pick(t)
			kind := rapid.SampledFrom([]budget.Kind{budget.Retry, budget.Hedge}).Draw(t, "kind")
			p, ok := b.Admit(now, kind, failed, held.permit)
			check(m.allows(now.UnixNano()>>32, *held, ok), ok)
			if ok {
				attempts = append(attempts, attempt{permit: p, sent: m.sent, depth: held.depth + 1, retry: true})
			}
		},
		"end": func(t *rapid.T) {
			e := rapid.SampledFrom(ends).Draw(t, "evidence")
			for range rapid.IntRange(1, 12).Draw(t, "n") {
				if a := pick(t); !a.ended {
					a.ended = true
					b.End(now, a.permit, e)
					m.end(*a, e)
				}
			}
		},
		"": func(t *rapid.T) {
			if l := b.(budget.Leveler).Level(); l < 0 || l > 1 {
				t.Fatalf("level %v", l)
			}
		},
	})
}

func TestDecidesAsTheRuleSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drive(t, []budget.Evidence{nothing, alive, failed, busy, silent}, func(allowed, admitted bool) {
			if allowed != admitted {
				t.Fatalf("the rule says %v, the budget %v", allowed, admitted)
			}
		})
	})
}

// With Unsent the budget may forget which retry was taken back, and is then stricter than the rule, never laxer, but
// that a success may widen the window by one for it: what was refused meanwhile was refused needlessly all the same.
func TestNeverAdmitsMoreThanTheRuleAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drive(t, []budget.Evidence{nothing, alive, failed, unsent}, func(allowed, admitted bool) {
			if admitted && !allowed {
				t.Fatal("admitted what the rule refuses")
			}
		})
	})
}

// After the time T of the package comment's proof, a client that was well pays at most the window, whatever it was
// doing before and however its attempts end from then on.
func TestAnOutageCostsAtMostTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strict := rapid.Bool().Draw(t, "strict")
		most := rapid.IntRange(1, 8).Draw(t, "MaxAttempts")
		b := full(budget.Adaptive{Strict: strict})
		var underWay, failing []attempt
		for range rapid.IntRange(0, 50).Draw(t, "under way") {
			underWay = append(underWay, attempt{permit: b.Begin(at(0))})
		}
		admitted := 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				failing = append(failing, attempt{permit: b.Begin(at(1)), depth: 1})
			case 1:
				if len(underWay) > 0 {
					b.End(at(2), underWay[0].permit, alive)
					underWay = underWay[1:]
				}
			default:
				if len(failing) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(failing)-1).Draw(t, "which")
				a := failing[i]
				failing = append(failing[:i:i], failing[i+1:]...)
				b.End(at(2), a.permit, failed)
				if a.depth >= most {
					continue
				}
				if p, ok := b.Admit(at(2), budget.Retry, failed, a.permit); ok {
					admitted++
					failing = append(failing, attempt{permit: p, depth: a.depth + 1})
				}
			}
		}
		bound := max(2, min(most-1, 4))
		if strict {
			bound = 1
		}
		require.LessOrEqual(t, admitted, bound)
	})
}
