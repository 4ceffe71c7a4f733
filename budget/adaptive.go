package budget

import (
	"cmp"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Adaptive is the default budget. It rations failed retries, not retries, and lets calls wait for
// the retries under way to show whether more of them help. The package comment explains the rule.
// Each field at zero means its default.
type Adaptive struct {
	// Unanswered is how many retries of a quiet client may be under way with their result
	// unknown; those of a busy client may be 6 % of its successes of the last ten seconds. More
	// make a burst of failures end sooner, and an outage of many clients cost as many more
	// attempts each. 0 means 2; at most 100.
	Unanswered int
	// Waste is how many failed retries a success pays for in the long run, and as many lost
	// connections' resends. 0 means 0.06; between 0.001 and 1.
	Waste float64
	// Patience is how long a call may wait for the result of other calls' retries before it gives
	// up; it is extended to three times what a retry usually takes, up to a minute. 0 means 1s;
	// at most a minute. Negative: no call waits.
	Patience time.Duration
	// Waiting is how many calls may wait at once, or a tenth of the successes of the last ten
	// seconds if that is more: as many as come in one second. A call that waits holds what is sent
	// again (of an HTTP body no more than httpx.WithBodyBuffer, or what GetBody reads; of gRPC the
	// caller's message) and the latest answer, which is the call's if the wait is for nothing:
	// with HTTP/1 a connection. Patience bounds how long. 0 means 256; at most 1e6.
	Waiting int
	// Strict lets one retry be under way at first instead of two, and stops a call whose own
	// retry was the one that stopped retries. That halves what an outage costs a large fleet of
	// quiet clients, and a quiet client's call stops after its second failure.
	Strict bool
}

// Validate reports every field that is out of its range.
func (a Adaptive) Validate() error {
	var errs []error
	bad := func(wrong bool, field, format string, args ...any) {
		if wrong {
			errs = append(errs, conf.Errorf(field, format, args...))
		}
	}
	bad(a.Unanswered < 0 || a.Unanswered > 100, "Unanswered", "must be between 0 (the default) and 100, not %d", a.Unanswered)
	bad(a.Waste != 0 && !(a.Waste >= 0.001 && a.Waste <= 1), "Waste",
		"must be 0 (the default) or between 0.001 and 1, not %v", a.Waste)
	bad(a.Patience > time.Minute, "Patience", "must be at most 1m0s, not %v", a.Patience)
	bad(a.Waiting < 0 || a.Waiting > 1e6, "Waiting", "must be between 0 (the default) and 1000000, not %d", a.Waiting)
	return errors.Join(errs...)
}

const horizon = 10 * time.Second // "the last ten seconds" of the rule, about

// The numbers of the rule in the package comment.
const (
	// Rule 1: how many retries may be under way.
	roomShare = 2 * stopShare // of the horizon's successes, if that is more than Unanswered
	places    = 8             // added by a retry that succeeds while calls wait
	longWait  = time.Minute   // the most that Patience is extended to

	// Rule 2: when retries stop, and what pays for the failed ones.
	stopShare  = 0.03                   // of the horizon's successes: failed retries that stop retries, and at least one
	row        = 4                      // successes in a row that pay for a failed retry while retries are stopped
	prepaid    = 2                      // successes that pay for one in advance while they are not
	maxPrepaid = 4                      // failed retries that may be paid for in advance
	oneEvent   = 250 * time.Millisecond // successes pay in advance so long after a first failure, and while retries are under way

	// Rule 3: probes while retries are stopped.
	firstProbe = time.Minute // without a retry, after which one may probe; doubled by each that fails
	lastProbe  = time.Hour   // up to this

	// Rules 4 and 5: what successes need not have paid for.
	maxWaste   = 20          // failed retries
	maxResends = 100         // resends of calls lost together
	together   = time.Second // calls that ask so soon after one another may have been lost together

	// Hedges.
	hedgeShare = 0.02 // of the horizon's successes, if that is more than one of the next two
	maxHedges  = 3    // hedges that successes need not have paid for
	hedgeRoom  = 2    // hedges sent since the last sign of life
	hedgeEarn  = 0.1  // of a hedge, by a success, while every hedge wins
	lossEarn   = 0.01 // the same, while none does

	leap = 2 * time.Hour // a longer time makes no difference to any rule
)

// watch counts the successes of attempts that were not sent before a point in time. Points in time
// are stamps: see adaptive.ends, and adaptive_permit.go.
type watch struct {
	from  atomic.Uint64 // a stamp, or idle
	fresh atomic.Uint64
}

const (
	idle    = uint64(1) << 63 // a watch that counts nothing
	watched = uint64(1) << 63 // of adaptive.ends: a watch counts
)

// lane holds what decides on retries.
type lane struct {
	*watch
	mark   uint64        // fresh where the row of successes begins
	debt   float64       // failed retries that no successes have outweighed; negative: paid in advance
	waste  float64       // failed retries that successes have not paid for
	growth float64       // of the room, by retries that succeeded
	open   bySpan        // retries under way
	seen   uint64        // successes when the span of open began, or when the first of open was sent
	sent   time.Duration // when the latest retry was granted
	event  time.Duration // when the watch began
	pause  time.Duration // before the next probe
	closer Permit        // the retry that stopped retries, if own
	own    bool          // no other retry has failed since
}

// adaptive is the state of Adaptive. A first attempt that succeeds reads ends when it is sent and
// adds one to it when it ends; while something has failed lately it also counts itself in
// watches. Everything else is guarded by mu.
type adaptive struct {
	drain // refuses everything until an attempt succeeds

	// ends counts the attempts that ended well, and the events in lapses; watched is its top bit.
	// Its value when an attempt is sent is the attempt's stamp: of two attempts, the one with the
	// higher stamp was sent later.
	ends    atomic.Uint64
	watches [2]watch // of retries and hedges

	room, most int
	earn       float64
	patience   time.Duration
	strict     bool

	mu       sync.Mutex
	start    time.Time     // elapsed counts from here
	elapsed  time.Duration // at the latest call; it never decreases
	started  bool
	lapses   uint64        // failed retries and hedges among ends
	seen     uint64        // successes at the latest update
	recent   float64       // successes of about the last horizon
	usual    time.Duration // what a retry that succeeds takes
	retries  lane
	waiting  bySpan        // calls, by when they asked last
	waitedAt time.Duration // when Later was last the answer to a call

	resendLeft float64       // resends of calls lost together that may be granted
	lostStamp  uint64        // attempts sent up to it were lost together at lostAt
	lostAt     time.Duration // since 1, or 0 for never

	hedges     *watch
	hedgeMark  uint64        // fresh when the first of hedgeOpen was sent
	hedgeLeft  float64       // hedges in the bucket
	hedgeOpen  int           // hedges sent since the last sign of life
	hedgeWins  float64       // the share of the latest few hedges that won
	hedgeAdded time.Duration // when the latest hedge was granted
}

// New returns a budget in the state of a new process: retries are allowed, and nothing is known
// of the traffic.
func (a Adaptive) New() Budget {
	b := &adaptive{
		room:       cmp.Or(a.Unanswered, 2),
		earn:       cmp.Or(a.Waste, 0.06),
		patience:   cmp.Or(a.Patience, time.Second),
		most:       cmp.Or(a.Waiting, 256),
		strict:     a.Strict,
		hedgeLeft:  maxHedges,
		hedgeWins:  1,
		resendLeft: maxResends,
	}
	if a.Strict && a.Unanswered == 0 {
		b.room = 1
	}
	for i := range b.watches {
		b.watches[i].from.Store(idle)
	}
	b.retries.watch, b.hedges = &b.watches[0], &b.watches[1]
	b.retries.pause = firstProbe
	return b
}

// Begin returns the permit of a first attempt: a stamp.
func (b *adaptive) Begin(time.Time) Permit { return Permit(b.ends.Load() & stampMask) }

// Timeless marks that Begin, and End of a first attempt that is Alive, do not use the time.
func (b *adaptive) Timeless() {}

// Ask requests a retry or a hedge. What it returns with Later is a permit as well: the call
// passes it as held when it asks again, and ends it if it stops waiting instead.
func (b *adaptive) Ask(now time.Time, k Kind, because Evidence, held Permit) (Permit, Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(now)
	if k == Hedge {
		return b.hedge()
	}
	b.stopWaiting(held)
	l, kind := &b.retries, retryKind
	answer, resend := b.decide(because, held)
	switch {
	case answer == Later:
		return b.wait(held), Later
	case answer == Refused:
		return 0, Refused
	case resend:
		b.resendLeft--
		kind = resendKind
	default:
		if l.open.sum() == 0 {
			l.seen = b.seen
		}
		l.open.add(b.elapsed, 1)
		if because == Lost {
			b.lostStamp, b.lostAt = b.ends.Load(), b.elapsed+1
		}
	}
	l.sent = b.elapsed
	return b.permit(kind), Granted
}

// Admit asks for a caller that does not wait.
func (b *adaptive) Admit(now time.Time, k Kind, because Evidence, held Permit) (Permit, bool) {
	p, answer := b.Ask(now, k, because, held)
	if answer == Later {
		b.End(now, p, None)
		p = 0
	}
	return p, answer == Granted
}

// Hopeless reports whether Ask would refuse a retry now.
func (b *adaptive) Hopeless(now time.Time, because Evidence, held Permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(now)
	answer, _ := b.decide(because, held)
	return answer == Refused
}

// decide answers a call that asks for a retry. resend is true if its connection was lost together
// with that of a call whose retry is under way.
func (b *adaptive) decide(because Evidence, held Permit) (_ Answer, resend bool) {
	l := &b.retries
	open := l.open.sum()
	closed := b.closed()
	switch {
	case b.empty.Load():
		return Refused, false
	case because == Lost && held.kind() != resendKind && b.lostTogether(held):
		return Granted, true
	case l.waste+1 > maxWaste:
	case !closed && float64(open+1) <= b.places():
		return Granted, false
	case !closed || open > 0:
		if b.mayWait(held) {
			return Later, false
		}
	case !b.strict && l.goesOn(held):
		return Granted, false
	}
	if open == 0 && b.elapsed-l.sent >= l.pause {
		return Granted, false
	}
	return Refused, false
}

// goesOn reports whether held is of the call that stopped retries.
func (l *lane) goesOn(held Permit) bool {
	return l.own && held.kind() == retryKind && held.stamp() == l.closer.stamp()
}

// closed reports whether retries are stopped.
func (b *adaptive) closed() bool { return b.retries.debt+1 > max(1, stopShare*b.recent) }

// places returns how many retries may be under way.
func (b *adaptive) places() float64 {
	room := max(float64(b.room), roomShare*b.recent)
	if b.waiting.sum() > 0 || b.elapsed-b.waitedAt < time.Second {
		room += b.retries.growth
	}
	return room
}

func (b *adaptive) lostTogether(held Permit) bool {
	return b.resendLeft >= 1 && b.lostAt > 0 && b.elapsed-b.lostAt < together && !later(held.stamp(), b.lostStamp)
}

// Successes returns how many attempts have succeeded.
func (b *adaptive) Successes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ends.Load()&^watched - b.lapses
}

// Level returns 0 while retries are stopped, but for a probe a minute or less often, and
// otherwise how far from being stopped they are: 1 if no retry has failed lately.
func (b *adaptive) Level() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(time.Time{})
	l := &b.retries
	switch {
	case b.empty.Load() || l.waste+1 > maxWaste:
		return 0
	case b.closed() && (!l.own || b.strict):
		return 0
	case b.closed():
		return 1. / maxWaste // the call that stopped them may go on
	}
	return min(1-l.waste/maxWaste, 1-max(0, l.debt)/max(1, stopShare*b.recent))
}
