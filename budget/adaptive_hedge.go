package budget

// hedgeCap returns the number of hedges that a full bucket holds.
func (b *adaptive) hedgeCap() float64 { return max(maxHedges, hedgeShare*b.recent) }

// hedged updates the share of hedges that win. At a server that is slow throughout, none wins.
func (b *adaptive) hedged(won bool) {
	b.hedgeWins -= b.hedgeWins / 4
	if won {
		b.hedgeWins += 0.25
	}
}

// hedge answers a call that asks for a hedge. Hedges have a bucket of their own, and stop while
// retries are stopped. They also stop after hedgeRoom of them, but for a probe each minute, until
// an attempt that was sent after the first of these succeeds.
func (b *adaptive) hedge() (Permit, Answer) {
	if b.hedgeOpen > 0 && b.hedges.fresh.Load() != b.hedgeMark {
		b.hedgeOpen = 0
	}
	room := max(hedgeRoom, hedgeShare*b.recent)
	probe := b.elapsed-b.hedgeAdded >= firstProbe
	if b.empty.Load() || b.hedgeLeft < 1 || b.stopped() || float64(b.hedgeOpen+1) > room && !probe {
		return 0, Refused
	}
	b.hedgeLeft--
	b.hedgeAdded = b.elapsed
	if b.hedgeOpen == 0 {
		b.lapses++
		b.hedges.from.Store(b.ends.Add(1) & stampMask)
		b.ends.Or(watched)
		b.hedgeMark = b.hedges.fresh.Load()
	}
	b.hedgeOpen = min(b.hedgeOpen+1, 1<<20)
	return b.permit(hedgeKind), Granted
}
