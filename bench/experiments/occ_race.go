package experiments

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

// occRace is clients that all update one row under optimistic concurrency control.
type occRace struct {
	rules   *call.Rules
	rng     *rand.Rand
	clients []occClient
	queue   []occMessage
	version int // of the row
}

type occClient struct {
	call    call.Call
	attempt int
	writes  bool // its message is a write
	version int  // what it has read
}

// occMessage is the one message that a client has under way. They are a heap by when they reach
// the row.
type occMessage struct {
	at     time.Duration
	client int
}

func newOCCRace(clients int, p *retry.Policy, rng *rand.Rand) *occRace {
	return &occRace{rules: &drive.Of(p).Rules, rng: rng, clients: make([]occClient, clients), queue: make([]occMessage, clients)}
}

// run simulates one trial.
func (r *occRace) run() (writes int, end time.Duration) {
	r.version = 0
	queue := r.queue
	for i := range queue {
		c := &r.clients[i]
		*c = occClient{call: r.rules.Start(occStart, call.Options{})}
		c.attempt = c.call.Next(occStart).Attempt
		queue[i] = occMessage{r.leg(), i}
	}
	for i := len(queue)/2 - 1; i >= 0; i-- {
		sink(queue, i)
	}
	for len(queue) > 0 {
		m := &queue[0]
		switch c := &r.clients[m.client]; {
		case !c.writes:
			c.writes, c.version = true, r.version
			m.at += r.leg() + r.leg()
		case c.version != r.version:
			writes++
			m.at = r.again(c, m.at+r.leg()) + r.leg()
		default:
			writes++
			r.version++
			answered := m.at + r.leg()
			c.call.Done(occStart.Add(answered), c.attempt, retry.Outcome{Class: retry.Success})
			end = max(end, answered)
			queue[0] = queue[len(queue)-1]
			queue = queue[:len(queue)-1]
		}
		sink(queue, 0)
	}
	return writes, end
}

// again reports to a client that its write was too late. It returns when the client's policy has
// it read anew.
func (r *occRace) again(c *occClient, at time.Duration) time.Duration {
	now := occStart.Add(at)
	c.call.Done(now, c.attempt, retry.Outcome{Class: retry.Transient})
	step := c.call.Next(now)
	if step.Op == call.Wait {
		now = step.At
		step = c.call.Next(now)
	}
	c.attempt, c.writes = step.Attempt, false
	return now.Sub(occStart)
}

// leg draws the time of a message one way.
func (r *occRace) leg() time.Duration {
	return time.Duration(math.Abs(10+2*r.rng.NormFloat64()) * float64(time.Millisecond))
}

var occStart = time.Unix(0, 0)

// sink restores the order of a heap whose message i may be too late for its place.
func sink(queue []occMessage, i int) {
	if i >= len(queue) {
		return
	}
	m := queue[i]
	for child := 2*i + 1; child < len(queue); child = 2*i + 1 {
		if next := child + 1; next < len(queue) && queue[next].at < queue[child].at {
			child = next
		}
		if m.at <= queue[child].at {
			break
		}
		queue[i] = queue[child]
		i = child
	}
	queue[i] = m
}
