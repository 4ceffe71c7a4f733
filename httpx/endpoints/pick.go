package endpoints

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// avoided is added to the rank of an endpoint that is set aside. Otherwise the rank is the number
// of attempts that the call has sent there.
const avoided = 1 << 16

// pick records an attempt at an endpoint: one that is due for a probe if this is the call's first
// attempt, or else of those with the lowest rank the one whose turn it is.
func (t *Transport) pick(call *placement.Call, now time.Time) sent {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := call.Fresh(t)
	least := 2 * avoided
	var room [16]int
	ranks := room[:0]
	for _, e := range t.list {
		rank := 0
		if !fresh {
			rank = call.Used(e)
		}
		if e.outlier != nil {
			switch e.outlier.State(now) {
			case outlier.Due:
				if fresh {
					return t.send(call, now, e)
				}
				rank += avoided
			case outlier.Aside:
				rank += avoided
			}
		}
		ranks = append(ranks, rank)
		least = min(least, rank)
	}
	return t.send(call, now, t.turn(ranks, least))
}

// turn returns the endpoint whose turn it is among those of a rank. It requires that t.mu is held.
func (t *Transport) turn(ranks []int, rank int) *endpoint {
	var best *endpoint
	sum := 0
	for i, e := range t.list {
		if ranks[i] != rank {
			continue
		}
		sum += e.Weight
		e.current += e.Weight // smooth weighted round robin, as in nginx
		if best == nil || t.before(e, best) {
			best = e
		}
	}
	best.current -= sum
	return best
}

// before reports whether a is to be used before b.
func (t *Transport) before(a, b *endpoint) bool {
	if t.cfg.Policy == LeastRequests {
		if x, y := (a.open+1)*b.Weight, (b.open+1)*a.Weight; x != y {
			return x < y
		}
		return a.last < b.last
	}
	return a.current > b.current
}

// send records an attempt. It requires that t.mu is held.
func (t *Transport) send(call *placement.Call, now time.Time, e *endpoint) sent {
	t.sent++
	e.open++
	e.last = t.sent
	s := sent{endpoint: e, at: now, call: call, attempt: call.Sent(t, e)}
	if e.outlier != nil {
		s.counted, s.event, s.changed = t.group.Send(now, e.outlier, true)
	}
	return s
}

// release ends a request at an endpoint. The last one at an endpoint that is gone closes its idle
// connections, and none before: net/http calls a connection idle just before it delivers the
// response.
func (t *Transport) release(e *endpoint) {
	t.mu.Lock()
	e.open--
	over := e.gone && e.open == 0
	t.mu.Unlock()
	if over {
		e.rt.CloseIdleConnections()
	}
}

// count ends a request with its response's body if the policy needs the number of requests under
// way, and at once otherwise.
func (t *Transport) count(e *endpoint, resp *http.Response) {
	if t.cfg.Policy != LeastRequests || resp.StatusCode == http.StatusSwitchingProtocols ||
		resp.Body == nil || resp.Body == http.NoBody {
		t.release(e)
		return
	}
	resp.Body = &countedBody{ReadCloser: resp.Body, end: sync.OnceFunc(func() { t.release(e) })}
}

// countedBody calls end when it has been read or is closed.
type countedBody struct {
	io.ReadCloser
	end func()
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *countedBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// result returns the evidence that a failure gives about the endpoint.
func result(ctx context.Context, err error, overtaken bool) outlier.Result {
	switch {
	case err == nil || ctx.Err() == nil || context.Cause(ctx) == timeout.ErrAttempt:
		return outlier.Failed
	case overtaken:
		return outlier.Overtaken
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outlier.Failed
	}
	return outlier.Ignored
}
