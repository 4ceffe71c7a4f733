package balancer

import (
	"context"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// picker picks from the child's until it has a backend that is good for the attempt.
type picker struct {
	lb    *lb
	child balancer.Picker
}

// candidate holds a pick of the child. The lower its rank, the better.
type candidate struct {
	balancer.PickResult
	backend *backend // nil: unknown; the pick is used as it is
	rank    int
}

// avoided is added to the rank of a backend that is set aside. A backend's rank is otherwise the
// number of attempts that the call has sent there.
const avoided = 1 << 16

// Pick implements balancer.Picker.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	res, err := p.child.Pick(info)
	if err != nil {
		return res, dropped(err)
	}
	call, now := placement.From(info.Ctx), time.Now()
	best := p.lb.judge(res, call, now)
	if best.rank > 0 {
		if least, tries := p.lb.least(call, now); least < best.rank {
			best = p.again(info, call, now, best, least, tries)
		}
	}
	return p.lb.sent(info.Ctx, call, now, &best), nil
}

// again picks from the child until the rank is least, and hands back all picks but the best.
func (p *picker) again(
	info balancer.PickInfo, call *placement.Call, now time.Time, best candidate, least, tries int,
) candidate {
	var room [8]func(balancer.DoneInfo)
	held := room[:0]
	defer func() {
		for _, done := range held {
			done(balancer.DoneInfo{})
		}
	}()
	for ; tries > 0 && best.rank > least; tries-- {
		res, err := p.child.Pick(info)
		if err != nil {
			break // best stands
		}
		next := p.lb.judge(res, call, now)
		if next.rank < best.rank {
			best, next = next, best
		}
		if next.Done != nil {
			held = append(held, next.Done)
		}
	}
	return best
}

// judge ranks what the child picked.
func (b *lb) judge(res balancer.PickResult, call *placement.Call, now time.Time) candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := candidate{PickResult: res, backend: b.subConns[res.SubConn]}
	if c.backend != nil {
		c.rank = b.rank(c.backend, call, now)
	}
	return c
}

// rank returns a backend's rank for an attempt of call. A backend that is due for a probe does
// not count as set aside for a call's first attempt. It requires that b.mu is held.
func (b *lb) rank(be *backend, call *placement.Call, now time.Time) int {
	rank := call.Used(be)
	if be.outlier == nil {
		return rank
	}
	state := be.outlier.State(now)
	if state == outlier.InUse || state == outlier.Due && call.Fresh(b) {
		return rank
	}
	return rank + avoided
}

const (
	triesEach = 8   // picks for each backend that is ready
	triesMost = 128 // picks for an attempt
)

// least returns the lowest rank of the backends that are ready, and how often to try for it.
func (b *lb) least(call *placement.Call, now time.Time) (rank, tries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rank = 2 * avoided // above every backend's
	for be := range b.backends {
		if be.ready == 0 {
			continue
		}
		tries += triesEach
		if rank > 0 {
			rank = min(rank, b.rank(be, call, now))
		}
	}
	return rank, min(tries, triesMost)
}

// sent records that an attempt goes to a candidate.
func (b *lb) sent(ctx context.Context, call *placement.Call, now time.Time, c *candidate) balancer.PickResult {
	if c.backend == nil {
		return c.PickResult
	}
	attempt, e, counted, changed := b.reportSent(call, now, c.backend)
	if call == nil && !counted {
		return c.PickResult
	}
	done, a := c.Done, call.Sent(b, c.backend)
	c.Done = func(info balancer.DoneInfo) {
		if done != nil {
			defer done(info) // also after a panic of the observer
		}
		b.done(ctx, call, a, now, attempt, info)
	}
	if changed {
		published := false
		defer func() { // a panic of the observer
			if !published {
				c.Done(balancer.DoneInfo{})
			}
		}()
		b.publish(call, e)
		published = true
	}
	return c.PickResult
}

// done records the end of an attempt.
func (b *lb) done(
	ctx context.Context, call *placement.Call, a *placement.Attempt, sent time.Time, attempt outlier.Attempt,
	info balancer.DoneInfo,
) {
	now := time.Now()
	if info.Err == nil && !info.BytesReceived { // nothing was sent: the connection was gone, and gRPC picks again
		call.Unsent(a)
		b.reportEnd(call, now, attempt, outlier.Ignored, 0)
		return
	}
	overtaken := call.End(a, info.Err == nil)
	r, took := result(ctx, info, overtaken), time.Duration(0)
	if call != nil && call.Timed && (info.Err == nil || r == outlier.Overtaken) {
		took = now.Sub(sent)
	}
	b.reportEnd(call, now, attempt, r, took)
}

// result returns the evidence that the end of an attempt gives about its backend.
func result(ctx context.Context, info balancer.DoneInfo, overtaken bool) outlier.Result {
	if info.Err == nil {
		return outlier.Succeeded
	}
	code := status.Code(info.Err)
	switch {
	case code == codes.DeadlineExceeded || context.Cause(ctx) == timeout.ErrAttempt:
		return outlier.Failed
	case code == codes.Canceled && overtaken:
		return outlier.Overtaken
	case ctx.Err() != nil:
		return outlier.Ignored
	case code == codes.Unavailable:
		return outlier.Failed
	case !info.BytesReceived: // the client's own refusal
		return outlier.Ignored
	}
	switch code {
	case codes.Unknown, codes.Internal, codes.ResourceExhausted, codes.DataLoss:
		return outlier.Failed
	case codes.Canceled:
		return outlier.Ignored
	}
	return outlier.Succeeded
}

// drop is a status error of the child's picker.
type drop struct {
	placement.Drop
	error
}

// GRPCStatus returns the status that the picker gave.
func (d drop) GRPCStatus() *status.Status { return status.Convert(d.error) }

// Unwrap returns the picker's error.
func (d drop) Unwrap() error { return d.error }

// dropped marks a status error of the child's picker, with which gRPC ends the call. It returns
// other errors as they are.
func dropped(err error) error {
	if err == balancer.ErrNoSubConnAvailable {
		return err
	}
	if _, ok := status.FromError(err); ok {
		return drop{error: err}
	}
	return err
}
