package dest

import (
	"sync"
	"sync/atomic"
	"time"
)

// Pauses holds, for all destinations of a policy, the waits that their servers asked for. It keeps
// one for each destination and key, in a bounded table. Looking costs an atomic load while nothing
// is paused.
type Pauses struct {
	active atomic.Bool // latest may be in the future
	mu     sync.Mutex
	latest time.Time // when the last of the waits ends
	table  *Table[pauseKey, *pause]
}

type pauseKey struct{ destination, key string }

// pause is one wait.
type pause struct {
	mu    sync.Mutex
	until time.Time
	asked time.Duration // its whole length
}

// NewPauses returns a table for at most limit waits.
func NewPauses(limit int) *Pauses { return &Pauses{table: New[pauseKey, *pause](limit, nil)} }

// Of returns the waits of one destination.
func (ps *Pauses) Of(destination string) *Pause { return &Pause{ps, destination} }

// Pause holds the waits of one destination.
type Pause struct {
	all         *Pauses
	destination string
}

// Active reports whether any wait of the policy may not be over.
func (p *Pause) Active() bool { return p != nil && p.all.active.Load() }

// Left implements call.Pause.
func (p *Pause) Left(now time.Time, key string) (left, asked time.Duration) {
	if !p.Active() || p.all.lapsed(now) {
		return 0, 0
	}
	e, ok := p.all.table.Get(pauseKey{p.destination, key})
	if !ok {
		return 0, 0
	}
	e.Value.mu.Lock()
	defer e.Value.mu.Unlock()
	// A clock that was set back makes no wait longer.
	return max(0, min(e.Value.until.Sub(now), e.Value.asked)), e.Value.asked
}

// Set implements call.Pause. It never shortens a wait.
func (p *Pause) Set(now time.Time, key string, d time.Duration) {
	until := now.Add(d)
	e := p.all.table.GetOrAdd(pauseKey{p.destination, key}, func(*Entry[pauseKey, *pause], bool) *pause { return new(pause) })
	e.Value.mu.Lock()
	if until.After(e.Value.until) || e.Value.until.Sub(now) > e.Value.asked {
		e.Value.until, e.Value.asked = until, d
	}
	e.Value.mu.Unlock()
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	if until.After(p.all.latest) {
		p.all.latest = until
	}
	p.all.active.Store(true)
}

// lapsed reports whether all waits are over, and if so clears active.
func (ps *Pauses) lapsed(now time.Time) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if now.Before(ps.latest) {
		return false
	}
	ps.active.Store(false)
	return true
}
