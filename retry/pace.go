package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Pace keeps a loop that makes calls, such as a consumer of a queue, from making more of them when
// they fail: a call that fails at once would be followed at once by the next, which no budget
// holds back. The zero Pace is ready to use, by one goroutine.
//
//	var pace retry.Pace
//	for message := range messages {
//		err := retry.Do(ctx, policy, message.send)
//		if pace.Wait(ctx, err) != nil {
//			return // ctx has ended
//		}
//	}
type Pace struct {
	last   time.Time     // when the latest iteration ended
	usual  time.Duration // how long one takes that succeeds, smoothed; 0: not known
	failed bool          // the latest did
}

const (
	paceWeight = 8           // an iteration counts for so much less than those before
	paceMost   = time.Minute // the longest wait
	paceFirst  = time.Second // the wait where nothing is known
)

// Wait ends an iteration with the error of its call. It returns at once after a success, and after
// an answer that is the call's own fault ([ReasonRejected]). After any other failure it waits for
// as long as the error says ([call.Error.RetryAfter]), and at least until the iteration has taken
// as long as those that succeed do (a second while that is not known), but no longer than a
// minute; up to a quarter is added at random. The error that it returns is that of ctx, if that
// ends.
//
// A Transport of package httpx that ends with a response returns no error: pass what
// httpx.ReportFrom finds.
func (p *Pace) Wait(ctx context.Context, err error) error {
	d := p.Delay(time.Now(), err)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d + rand.N(d/4+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err()
}

// Delay returns the time to wait between an iteration that ended at now and the next, for loops
// that wait by themselves.
func (p *Pace) Delay(now time.Time, err error) time.Duration {
	took, known := max(now.Sub(p.last), 0), !p.last.IsZero()
	if err == nil {
		if known && !p.failed { // else it took a wait as well
			p.learn(took)
		}
		p.last, p.failed = now, false
		return 0
	}
	var wait time.Duration
	switch stopped, ok := errors.AsType[*Error](err); {
	case ok && stopped.Reason == ReasonRejected: // it is the call's own fault
		p.last, p.failed = now, true
		return 0
	case ok:
		wait = stopped.RetryAfter()
	case p.usual == 0:
		wait = paceFirst
	}
	wait = min(max(wait, p.usual-took), paceMost)
	p.last, p.failed = now.Add(wait), true
	return wait
}

func (p *Pace) learn(took time.Duration) {
	if p.usual == 0 {
		p.usual = took
		return
	}
	p.usual += (took - p.usual) / paceWeight
}
