package outlier

import (
	"time"
)

// Group is a set of backends that do the same work. Make one with New.
type Group struct {
	cfg    Config
	start  time.Time // when the epoch of windows was 0
	n      int       // backends
	aside  int       // backends that are set aside
	recent window    // attempts of all that are not set aside
	good   uint64    // successes of these, ever
	bad    uint64    // failures of these, ever
	open   int       // attempts under way to these that are timed
}

// Backend is one backend's record in a Group. Make one with Add.
type Backend struct {
	name   string
	group  *Group // nil: removed
	recent window

	streak     int    // failures in a row
	streakGood uint64 // group.good when the streak began
	streakBad  uint64 // group.bad when the streak began
	overtaken  int    // attempts of the streak that a hedge overtook

	open      int       // attempts under way that are timed
	quiet     time.Time // when the first of these was sent, or the backend succeeded last
	quietGood uint64    // group.good then
	quietBad  uint64    // group.bad then
	quietOwn  int       // its own failures since then

	aside bool
	cause Cause     // of the latest time it was set aside
	times int       // how often in a row it was set aside
	first time.Time // when it was last set aside by a rule
	since time.Time // when it was last set aside by a rule or a probe
	until time.Time // when it may be probed
	back  time.Time // when it was taken back
	probe time.Time // when the probe under way was sent; zero: none is
}

// New makes a Group without backends. The Config must be valid.
func New(cfg Config) *Group { return &Group{cfg: cfg.withDefaults()} }

// Add adds a backend.
func (g *Group) Add(name string) *Backend {
	g.n++
	return &Backend{name: name, group: g}
}

// Remove removes a backend. Reports that come later change nothing.
func (g *Group) Remove(b *Backend) {
	if b.group != g {
		return
	}
	b.group = nil
	g.n--
	if b.aside {
		g.aside--
		return
	}
	g.withdraw(b)
}

// withdraw subtracts a backend's recent attempts, and those under way, from the group's.
func (g *Group) withdraw(b *Backend) {
	g.open -= b.open
	epoch := max(g.recent.epoch, b.recent.epoch)
	g.recent.roll(epoch)
	b.recent.roll(epoch)
	g.recent.sub(&b.recent)
	b.recent = window{epoch: epoch}
}

// State describes the traffic that a backend may receive.
type State uint8

const (
	InUse State = iota // any attempt
	Due                // one attempt, the probe
	Aside              // nothing while another backend is in use
)

// State returns what may be sent to b.
func (b *Backend) State(now time.Time) State {
	switch g := b.group; {
	case g == nil || !b.aside || g.aside == g.n:
		return InUse
	case now.Before(b.until) || !b.probe.IsZero() && now.Sub(b.probe) < g.cfg.duration(b.times):
		return Aside
	}
	return Due
}

// Attempt is one attempt under way. Make one with Send.
type Attempt struct {
	backend *Backend
	sent    time.Time
	timed   bool // it counts in open until it is reported
	probe   bool
}

// Send notes that an attempt is being sent to b, and returns the event that follows, if changed.
// Every attempt must be reported once. A backend whose state is Due gets it as its probe. timed
// reports whether the time until the attempt's end is how long b let its caller wait.
func (g *Group) Send(now time.Time, b *Backend, timed bool) (a Attempt, e Event, changed bool) {
	a = Attempt{backend: b, sent: now, timed: timed && b.group == g}
	if b.aside && b.State(now) == Due {
		a.probe, b.probe = true, now
	}
	if !a.timed {
		return a, Event{}, false
	}
	if b.open == 0 {
		b.resetQuiet(now)
	}
	b.open++
	if !b.aside {
		g.open++
	}
	if b.aside || !g.silent(now, b) || g.aside >= g.most() {
		return a, Event{}, false
	}
	return a, g.setAside(now, b, Latency), true
}

// resetQuiet starts b's silence anew: b has succeeded, or had nothing to answer until now.
func (b *Backend) resetQuiet(now time.Time) {
	b.quiet, b.quietGood, b.quietBad, b.quietOwn = now, b.group.good, b.group.bad, 0
}

// silence is the shortest time without an answer that counts: hiccups are shorter.
const silence = 100 * time.Millisecond

// silent reports whether b has answered none of its attempts for so long that the answers would
// be outliers, while its siblings have answered.
func (g *Group) silent(now time.Time, b *Backend) bool {
	quiet := now.Sub(b.quiet)
	if b.open < g.cfg.Failures || quiet < silence {
		return false
	}
	g.roll(now, b)
	others := g.recent.total().without(b.recent.total())
	if others.timed < enough/2 || !long(logarithm(quiet), others.sum/float64(others.timed), g.cfg.Slower) {
		return false
	}
	answered := int(g.good-b.quietGood) + int(g.bad-b.quietBad) - b.quietOwn
	waiting := g.open - b.open
	return worse(b.open, b.open, waiting, waiting+answered, g.cfg.Excess)
}

// Result is the evidence of an attempt about its backend.
type Result uint8

const (
	Ignored   Result = iota // nothing: the caller gave up, or was at fault
	Succeeded               // it answers
	Failed                  // it does not, or answers that it cannot
	Overtaken               // a later attempt of the same call was quicker
)

// Report counts an attempt that has ended, and returns the event that follows, if changed. took
// is how long the backend let its caller wait, 0 if that is unknown.
func (g *Group) Report(now time.Time, a Attempt, r Result, took time.Duration) (e Event, changed bool) {
	b := a.backend
	if b == nil || b.group != g {
		return Event{}, false
	}
	if a.timed {
		b.open--
		if !b.aside {
			g.open--
		}
	}
	switch {
	case b.aside:
		return g.reportAside(now, a, r, took)
	case r == Ignored || a.sent.Before(b.back):
		return Event{}, false
	}
	g.roll(now, b)
	g.count(now, b, r, took)
	cause := g.outlier(b, r, took)
	if cause == 0 || g.aside >= g.most() {
		return Event{}, false
	}
	return g.setAside(now, b, cause), true
}

// most returns how many backends may be set aside.
func (g *Group) most() int {
	if g.n < 2 {
		return 0
	}
	return max(1, int(g.cfg.MaxShare*float64(g.n)))
}

// roll moves the windows of g and b to now.
func (g *Group) roll(now time.Time, b *Backend) {
	if g.start.IsZero() {
		g.start = now
	}
	epoch := max(g.recent.epoch, int64(now.Sub(g.start)/span))
	g.recent.roll(epoch)
	b.recent.roll(epoch)
}

// count adds an attempt's result to the records of g and b.
func (g *Group) count(now time.Time, b *Backend, r Result, took time.Duration) {
	var one counts
	if r == Succeeded {
		one.good = 1
		g.good++
		b.streak, b.overtaken = 0, 0
		b.resetQuiet(now)
	} else {
		one.bad = 1
		b.quietOwn++
		if b.streak == 0 {
			b.streakGood, b.streakBad = g.good, g.bad
		}
		g.bad++
		b.streak++
		if r == Overtaken {
			b.overtaken++
		}
	}
	if took > 0 && r != Failed {
		l := logarithm(took)
		one.timed, one.sum, one.sq = 1, l, l*l
	}
	g.recent.cur.add(one, 1)
	b.recent.cur.add(one, 1)
}

// outlier returns the rule by which b is an outlier after an attempt, or 0.
func (g *Group) outlier(b *Backend, r Result, took time.Duration) Cause {
	if r != Succeeded && b.streak >= g.cfg.Failures {
		good, bad := int(g.good-b.streakGood), int(g.bad-b.streakBad)-b.streak
		if worse(b.streak, b.streak, bad, good+bad, g.cfg.Excess) {
			if 2*b.overtaken > b.streak {
				return Latency
			}
			return Failures
		}
	}
	own := b.recent.total()
	others := g.recent.total().without(own)
	if n := own.good + own.bad; r != Succeeded && n >= enough &&
		worse(own.bad, n, others.bad, others.good+others.bad, g.cfg.Excess) {
		return Rate
	}
	if took > 0 && own.slower(others, g.cfg.Slower) {
		return Latency
	}
	return 0
}

// forget is the time in use after which a backend counts as set aside once less.
const forget = 2 * span

// setAside sets b aside, and returns the event.
func (g *Group) setAside(now time.Time, b *Backend, cause Cause) Event {
	g.withdraw(b)
	g.aside++
	if !b.back.IsZero() {
		b.times = max(0, b.times-int(now.Sub(b.back)/forget))
	}
	b.aside, b.cause, b.first = true, cause, now
	b.streak, b.overtaken = 0, 0
	g.extend(now, b)
	return Event{Backend: b.name, Change: SetAside, Cause: cause, For: b.until.Sub(now)}
}

// extend sets the time for which b is aside from now, one more time in a row.
func (g *Group) extend(now time.Time, b *Backend) {
	if b.times < 64 {
		b.times++
	}
	b.since, b.probe = now, time.Time{}
	b.until = now.Add(g.cfg.duration(b.times))
}

// reportAside handles the end of an attempt of a backend that is set aside: a probe, or an
// attempt that was sent before, or while all backends were set aside.
func (g *Group) reportAside(now time.Time, a Attempt, r Result, took time.Duration) (e Event, changed bool) {
	b := a.backend
	probe := a.probe && a.sent.Equal(b.probe)
	if r == Succeeded && b.cause == Latency && g.long(took) {
		r = Overtaken
	}
	switch {
	case a.sent.Before(b.since) || r == Ignored:
		if probe {
			b.probe = time.Time{}
		}
	case r == Succeeded:
		b.aside, b.back, b.probe = false, now, time.Time{}
		b.resetQuiet(now)
		g.aside--
		g.open += b.open
		return Event{Backend: b.name, Change: TakenBack, Cause: b.cause, For: now.Sub(b.first)}, true
	case probe:
		g.extend(now, b)
	}
	return Event{}, false
}

// long reports whether a probe took so long that the backend would be set aside again.
func (g *Group) long(took time.Duration) bool {
	others := g.recent.total()
	return took > 0 && others.timed > 0 &&
		long(logarithm(took), others.sum/float64(others.timed), g.cfg.Slower)
}
