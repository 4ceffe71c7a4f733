package live

import (
	"math/rand/v2"
	"sync"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
)

// ledger records the attempts of each call that servers receive. It is safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	calls []account
}

type account struct {
	counts   bool // in the sum
	attempts int
	answered bool // with success
}

// open begins an account and returns the number of its call.
func (l *ledger) open(counts bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, account{counts: counts})
	return len(l.calls) - 1
}

// attempt writes down that one arrived. A number that nobody opened is not a call of ours.
func (l *ledger) attempt(call int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if 0 <= call && call < len(l.calls) {
		l.calls[call].attempts++
	}
}

func (l *ledger) answer(call int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if 0 <= call && call < len(l.calls) {
		l.calls[call].answered = true
	}
}

// sum returns the servers' totals over the calls that count.
func (l *ledger) sum() (t fleet.Tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.calls {
		if !a.counts {
			continue
		}
		t.Calls++
		t.Attempts += a.attempts
		if a.answered {
			t.Succeeded++
		}
	}
	return t
}

// deck draws which attempts fail: in each hundred exactly so many, at random places. A coin for
// each would add its own noise of a point or so to a run of a thousand calls. It is safe for
// concurrent use.
type deck struct {
	mu    sync.Mutex
	rng   *rand.Rand
	cards [100]bool
	next  int
}

func newDeck(seed uint64, percent int) *deck {
	d := &deck{rng: rand.New(rand.NewPCG(seed, 0))}
	for i := range d.cards[:percent] {
		d.cards[i] = true
	}
	return d
}

// fails reports whether this attempt does.
func (d *deck) fails() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == 0 {
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	fails := d.cards[d.next]
	d.next = (d.next + 1) % len(d.cards)
	return fails
}
