package budget

import (
	"cmp"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Adaptive is the default budget. It limits failed retries and not those that succeed, and lets
// calls wait until the retries under way show whether more of them help. The package comment
// explains the rule. Each field at zero means its default.
type Adaptive struct {
	// Unanswered is how many retries may be under way at once; for a busy client the limit is 6 %
	// of its successes of the last ten seconds, if that is more. A greater number ends a burst of
	// failures sooner, and costs each client that many more attempts in an outage. 0 means 2; at
	// most 100.
	Unanswered int
	// Waste is how many failed retries each success pays for in the long run. It also pays for the
	// same number of failed resends after a lost connection. 0 means 0.06; between 0.001 and 1.
	Waste float64
	// Patience is how long a call may wait for the result of other calls' retries before it gives
	// up; it is extended to three times what a retry usually takes, up to a minute. 0 means 1s;
	// at most a minute. Negative: no call waits.
	Patience time.Duration
	// Waiting is how many calls may wait at once; for a busy client the limit is a tenth of the
	// successes of the last ten seconds (those of one second), if that is more. A waiting call
	// keeps its request in memory (an HTTP body up to httpx.WithBodyBuffer or in GetBody's source,
	// a gRPC message) and the latest answer, to return it if no retry is granted; with HTTP/1 one
	// of more than 64 KiB occupies a connection. Patience limits how long. 0 means 256; at most
	// 1e6.
	Waiting int
	// Strict halves the retries that an outage costs a large fleet of clients that each make few
	// calls. In return such a client's call stops after its second failure. Strict makes 1 the
	// default of Unanswered, and takes back the exception that the call whose failed retry stopped
	// retries may retry once more.
	Strict bool
}

// Validate reports every field that is out of its range.
func (a Adaptive) Validate() error {
	return errors.Join(
		conf.Check(a.Unanswered >= 0 && a.Unanswered <= 100, "Unanswered",
			"must be between 0 (the default) and 100, not %d", a.Unanswered),
		conf.Check(a.Waste == 0 || a.Waste >= 0.001 && a.Waste <= 1, "Waste",
			"must be 0 (the default) or between 0.001 and 1, not %v", a.Waste),
		conf.Check(a.Patience <= time.Minute, "Patience", "must be at most 1m0s, not %v", a.Patience),
		conf.Check(a.Waiting >= 0 && a.Waiting <= 1e6, "Waiting",
			"must be between 0 (the default) and 1000000, not %d", a.Waiting),
	)
}

// horizon is about "the last ten seconds" of the package comment.
const horizon = 10 * time.Second

// The numbers of the rule in the package comment.
const (
	// Rule 1: how many retries may be under way.
	roomShare   = 2 * stopShare // of the horizon's successes, if that is more than Unanswered
	placesAdded = 8             // to the room, by a retry that succeeds while calls wait
	longWait    = time.Minute   // the most that Patience is extended to

	// Rule 2: when retries stop, and what pays for the failed ones.
	stopShare  = 0.03                   // of the horizon's successes: failed retries that stop retries, and at least one
	row        = 4                      // successes in a row that pay for a failed retry
	prepaid    = 2                      // successes that pay for one in advance, once none is left to pay for
	maxPrepaid = 4                      // failed retries that may be paid for in advance
	oneEvent   = 250 * time.Millisecond // how long after a failure successes pay in advance; longer with retries under way

	// Rule 3: probes while retries are stopped.
	firstProbe = time.Minute // how long after the latest retry one may probe; each that fails doubles it
	lastProbe  = time.Hour   // the longest wait for a probe

	// Rules 4 and 5: the tokens of full buckets.
	maxWaste   = 20          // failed retries
	maxResends = 100         // resends of calls lost together
	together   = time.Second // how long after the first retry is granted the other calls may be resent

	// Hedges.
	hedgeShare = 0.02 // of the horizon's successes: takes the place of maxHedges or hedgeRoom if that is more
	maxHedges  = 3    // hedges in a full bucket
	hedgeRoom  = 2    // hedges sent without a success of an attempt sent after them
	hedgeEarn  = 0.1  // hedges that a success adds to the bucket while every hedge wins
	lossEarn   = 0.01 // the same while none wins

	leap = 2 * time.Hour // a longer time between two calls is cut to this: no rule counts further
)

// adaptive is the Budget of Adaptive. A first attempt that succeeds loads ends when it is sent and
// adds one to it when it ends; after a recent failure it also adds to watches. These are atomic,
// so that it takes no lock; mu guards the fields from start on.
type adaptive struct {
	drain // refuses everything until an attempt succeeds

	// ends counts the attempts that ended well, and the events in lapses; its top bit is the flag
	// watched. Its value when an attempt is sent is the attempt's stamp: of two attempts with
	// different stamps, the one with the higher stamp was sent later (adaptive_permit.go).
	ends    atomic.Uint64
	watches [2]watch // of retries and hedges

	unanswered int           // Adaptive.Unanswered
	earn       float64       // Adaptive.Waste
	patience   time.Duration // Adaptive.Patience
	maxWaiting int           // Adaptive.Waiting
	strict     bool          // Adaptive.Strict

	mu       sync.Mutex
	start    time.Time     // when elapsed was 0
	elapsed  time.Duration // the time of the latest call; it never decreases
	started  bool          // start is set
	lapses   uint64        // events in ends that are no success: ends - lapses is the successes
	seen     uint64        // successes at the latest update
	recent   float64       // successes of about the last horizon
	usual    time.Duration // how long a retry that succeeds takes: rises at once, falls slowly
	retries  retryState
	waiting  bySpan        // calls that wait, by when they asked last
	waitedAt time.Duration // when Later was last answered

	resendLeft float64       // tokens of rule 5
	lostStamp  uint64        // attempts with up to this stamp may have been lost together
	lostAt     time.Duration // 1ns after elapsed when the retry of one of them was granted; 0: never

	hedges     *watch
	hedgeMark  uint64        // hedges.fresh when the first of hedgeOpen was sent
	hedgeLeft  float64       // hedges in the bucket
	hedgeOpen  int           // hedges sent since an attempt sent after the first of them succeeded
	hedgeWins  float64       // the share of the latest few hedges that won
	hedgeAdded time.Duration // when the latest hedge was granted
}

// retryState is the state of rules 1 to 4. Times are values of adaptive.elapsed.
type retryState struct {
	*watch                // of the successes that pay for failed retries
	mark    uint64        // fresh when the row of successes that pay next began
	debt    float64       // rule 2: failed retries not paid for yet; negative: paid for in advance
	waste   float64       // rule 4: tokens spent, from 0 to maxWaste
	growth  float64       // rule 1: places that retries which succeeded have added
	open    bySpan        // retries under way
	seen    uint64        // successes when the span of open began, or when the first of open was sent
	sent    time.Duration // when the latest retry was granted
	event   time.Duration // when the watch began
	pause   time.Duration // how long after sent one may probe
	stopper Permit        // the retry that stopped retries, if own
	own     bool          // retries are stopped by one retry, stopper, and no other has failed since
}

// watch counts the successes of attempts whose stamp is not below from.
type watch struct {
	from  atomic.Uint64 // a stamp, or idle
	fresh atomic.Uint64 // the count; it is never reset
}

const (
	idle    = uint64(1) << 63 // watch.from: count nothing
	watched = uint64(1) << 63 // flag in adaptive.ends: some watch is not idle
)

// New returns a budget in the state of a new process: retries are allowed, and nothing is known
// of the traffic.
func (a Adaptive) New() Budget {
	b := &adaptive{
		unanswered: cmp.Or(a.Unanswered, 2),
		earn:       cmp.Or(a.Waste, 0.06),
		patience:   cmp.Or(a.Patience, time.Second),
		maxWaiting: cmp.Or(a.Waiting, 256),
		strict:     a.Strict,
		hedgeLeft:  maxHedges,
		hedgeWins:  1,
		resendLeft: maxResends,
	}
	if a.Strict && a.Unanswered == 0 {
		b.unanswered = 1
	}
	for i := range b.watches {
		b.watches[i].from.Store(idle)
	}
	b.retries.watch, b.hedges = &b.watches[0], &b.watches[1]
	b.retries.pause = firstProbe
	return b
}

// Begin returns the permit of a first attempt, which holds only its stamp.
func (b *adaptive) Begin(time.Time) Permit { return Permit(b.ends.Load() & stampMask) }

// Timeless marks that Begin, and End of a first attempt that is Alive, do not use the time.
func (b *adaptive) Timeless() {}

// Ask requests a retry or a hedge. The permit that it returns with Later stands for the waiting
// call, which passes it as held when it asks again, or ends it when it stops waiting.
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

// Admit calls Ask for a caller that cannot wait, and reports whether the answer is Granted.
func (b *adaptive) Admit(now time.Time, k Kind, because Evidence, held Permit) (Permit, bool) {
	p, answer := b.Ask(now, k, because, held)
	if answer == Later {
		b.End(now, p, None)
		p = 0
	}
	return p, answer == Granted
}

// Hopeless reports whether Ask would answer Refused to a retry now.
func (b *adaptive) Hopeless(now time.Time, because Evidence, held Permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(now)
	answer, _ := b.decide(because, held)
	return answer == Refused
}

// decide answers a call that asks for a retry. resend is set if rule 5 grants it. Where no case of
// the switch returns, only a probe may be granted.
func (b *adaptive) decide(because Evidence, held Permit) (_ Answer, resend bool) {
	l := &b.retries
	open := l.open.sum()
	stopped := b.stopped()
	switch {
	case b.empty.Load():
		return Refused, false
	case because == Lost && held.kind() != resendKind && b.lostTogether(held):
		return Granted, true
	case l.waste+1 > maxWaste:
	case !stopped && float64(open+1) <= b.places():
		return Granted, false
	case !stopped || open > 0:
		if b.mayWait(held) {
			return Later, false
		}
	case !b.strict && l.ownRetry(held):
		return Granted, false
	}
	if open == 0 && b.elapsed-l.sent >= l.pause {
		return Granted, false
	}
	return Refused, false
}

// ownRetry reports whether held is the retry that stopped retries, and no other has failed since:
// its call may retry once more.
func (l *retryState) ownRetry(held Permit) bool {
	return l.own && held.kind() == retryKind && held.stamp() == l.stopper.stamp()
}

// stopped reports whether retries are stopped: whether one more failed retry that nothing pays for
// would exceed the limit of rule 2.
func (b *adaptive) stopped() bool { return b.retries.debt+1 > max(1, stopShare*b.recent) }

// places returns how many retries may be under way. Calls that wait ask again within a second.
func (b *adaptive) places() float64 {
	room := max(float64(b.unanswered), roomShare*b.recent)
	if b.waiting.sum() > 0 || b.elapsed-b.waitedAt < time.Second {
		room += b.retries.growth
	}
	return room
}

// lostTogether reports whether rule 5 resends the call whose latest attempt has the permit held.
func (b *adaptive) lostTogether(held Permit) bool {
	return b.resendLeft >= 1 && b.lostAt > 0 && b.elapsed-b.lostAt < together && !stampLater(held.stamp(), b.lostStamp)
}

// Successes returns how many attempts have succeeded.
func (b *adaptive) Successes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ends.Load()&^watched - b.lapses
}

// Level returns 0 while retries are stopped (but for probes), and otherwise a number up to 1: the
// lower, the closer failed retries are to stopping them. It is 1 if no retry has failed lately.
func (b *adaptive) Level() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(time.Time{})
	l := &b.retries
	switch {
	case b.empty.Load() || l.waste+1 > maxWaste:
		return 0
	case b.stopped() && (!l.own || b.strict):
		return 0
	case b.stopped():
		return 1. / maxWaste // the call that stopped them may go on
	}
	return min(1-l.waste/maxWaste, 1-max(0, l.debt)/max(1, stopShare*b.recent))
}
