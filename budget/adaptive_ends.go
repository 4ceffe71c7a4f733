package budget

import "time"

// End records the end of an attempt, or that a call stops waiting.
func (b *adaptive) End(now time.Time, p Permit, e Evidence) {
	b.refill(e)
	if e == Alive && p&waitFlag == 0 {
		if b.ends.Add(1)&watched != 0 {
			b.count(p)
		}
		if p.kind() == firstKind {
			return
		}
	}
	if e == None && p.kind() == firstKind && p&waitFlag == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(now)
	if p&waitFlag != 0 {
		b.stopWaiting(p)
		return
	}
	if p.kind() == retryKind { // it is no longer under way
		b.retries.open.remove(b.elapsed, p.tick()>>span, tickMask>>span)
	}
	if p.kind() == hedgeKind && e != Unsent {
		b.hedged(e == Alive)
	}
	switch e {
	case Alive:
		b.succeeded(p)
	case Unsent:
		b.unsent(p)
	case Failed, Overloaded, Silent, Lost, Unknown:
		b.failed(p)
	}
}

// count adds the success of an attempt to each watch unless the attempt was sent before its from.
func (b *adaptive) count(p Permit) {
	for i := range b.watches {
		w := &b.watches[i]
		if from := w.from.Load(); from != idle && !stampLater(from, p.stamp()) {
			w.fresh.Add(1)
		}
	}
}

// succeeded returns the cost of a hedge, retry or resend that succeeded. A retry or resend also
// makes room for calls that wait.
func (b *adaptive) succeeded(p Permit) {
	if p.kind() == hedgeKind {
		b.hedgeLeft++
		return
	}
	l := &b.retries
	l.pause = firstProbe
	if b.waiting.sum() > 0 {
		l.growth += placesAdded
	} else {
		l.growth = 0
	}
	took := b.since(p)
	b.usual = max(took, b.usual-(b.usual-took)/8)
	if p.kind() == resendKind {
		b.resendLeft = min(b.resendLeft+1, maxResends)
	}
}

// unsent returns the cost of an attempt that was not sent.
func (b *adaptive) unsent(p Permit) {
	switch p.kind() {
	case resendKind:
		b.resendLeft = min(b.resendLeft+1, maxResends)
	case hedgeKind:
		b.hedgeLeft++
		b.hedgeOpen = max(b.hedgeOpen-1, 0)
	}
}

// failed records a failure: it begins a watch, and breaks the row of successes. That of a first
// attempt costs nothing.
func (b *adaptive) failed(p Permit) {
	l := &b.retries
	if l.from.Load() == idle {
		ended := b.ends.Load()
		b.begin(uint64(p.stamp()))
		// Successes that ended while this attempt was under way were sent at about the same time.
		l.fresh.Add(min((ended-uint64(p.stamp()))&stampMask, row*maxPrepaid))
		l.pay()
	}
	l.mark = l.fresh.Load()
	if p.kind() == firstKind {
		return
	}
	l.growth = 0
	if p.kind() != resendKind { // a resend was paid for from resendLeft
		l.waste++
	}
	b.lapse(p)
}

// lapse counts one failed retry, resend or hedge by rules 2 and 3.
func (b *adaptive) lapse(p Permit) {
	l := &b.retries
	switch {
	case b.stopped() && l.own:
		l.own = false
	case b.stopped():
		l.pause = min(2*l.pause, lastProbe)
	default:
		if l.debt++; b.stopped() {
			l.own, l.stopper = p.kind() == retryKind, p
		}
	}
	b.lapses++
	l.from.Store(b.ends.Add(1) & stampMask) // only attempts sent from now on count
	l.mark = l.fresh.Load()
}

// begin starts the watch of retries at the stamp from.
func (b *adaptive) begin(from uint64) {
	l := &b.retries
	l.event = b.elapsed
	l.from.Store(from & stampMask)
	b.ends.Or(watched)
	l.mark = l.fresh.Load()
}

// update advances the time to now and applies the successes since the latest update.
func (b *adaptive) update(now time.Time) {
	good := b.ends.Load()&^watched - b.lapses
	if !b.started {
		b.seen = good // over how long a time these came is not known
	}
	age, n := b.advance(now), float64(good-b.seen)
	b.seen = good
	if x := float64(age) / float64(horizon); x >= 1 {
		b.recent = n / x
	} else {
		b.recent = b.recent*(1-x) + n
	}
	b.resendLeft = min(b.resendLeft+n*b.earn, maxResends)
	b.hedgeLeft = min(b.hedgeLeft+n*max(lossEarn, hedgeEarn*b.hedgeWins), b.hedgeCap())
	b.waiting.move(b.elapsed)
	b.applySuccesses(n)
	if b.hedgeOpen == 0 && b.retries.from.Load() == idle && b.ends.Load()&watched != 0 {
		b.ends.And(^watched)
	}
}

// applySuccesses lets n successes pay for failed retries, and ends the watch of retries when
// nothing needs it. A retry that is no longer counted as under way counts as failed, unless row
// attempts have succeeded since its span began.
func (b *adaptive) applySuccesses(n float64) {
	l := &b.retries
	l.waste = max(0, l.waste-n*b.earn)
	l.pay()
	span := l.open.now
	if l.open.move(b.elapsed) > 0 && b.seen-l.seen < row && !b.stopped() {
		b.stopSilent()
	}
	if l.open.now != span {
		l.seen = b.seen
	}
	if l.debt <= 0 && l.open.sum() == 0 && b.elapsed-l.event > oneEvent {
		l.debt = 0
		l.from.Store(idle)
	}
}

// stopSilent stops retries because one has had no result for so long that it is no longer counted
// as under way, and fewer than row attempts have succeeded meanwhile.
func (b *adaptive) stopSilent() {
	l := &b.retries
	l.debt = max(1, stopShare*b.recent)
	l.own = false
	b.lapses++
	b.begin(b.ends.Add(1))
}

// advance advances elapsed to now and returns by how much. It ignores a clock that was set back,
// and the zero time.
func (b *adaptive) advance(now time.Time) time.Duration {
	if now.IsZero() {
		return 0
	}
	if !b.started {
		b.started, b.start = true, now
	}
	total := now.Sub(b.start)
	age := total - b.elapsed
	switch {
	case total < b.elapsed: // not age < 0: age may have overflowed
		b.start = now.Add(-b.elapsed)
		return 0
	case age > leap:
		age = leap
		b.start = now.Add(-b.elapsed - leap)
	}
	b.elapsed += age
	return age
}

// pay lets the successes since mark pay for failed retries.
func (l *retryState) pay() {
	for fresh := l.fresh.Load(); ; {
		price := uint64(row)
		if l.debt <= 0 {
			price = prepaid
		}
		if fresh-l.mark < price || l.debt <= -maxPrepaid {
			return
		}
		l.mark += price
		l.debt = max(l.debt-1, -maxPrepaid)
	}
}
