package budget

import (
	"cmp"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Fleet describes the retry budget of a server, which all its clients share because their calls
// meet there. For each answer that invites a retry the server asks [Answers.Fail], and says "do
// not retry" if that reports false. So even a client that lives for one call, which no budget of
// its own can help, costs little in an outage.
//
// A retry that one server allows arrives at another one or never. So this is no [Spec]: what Fail
// grants is not ended, and there is no waiting. The rule has two parts:
//
//   - A success earns Ratio of a retry, up to Burst. A new server starts with a full bucket.
//   - A grant is open until a request that began after it succeeds. While as many are open as Open
//     and a fifth of the requests in hand, nothing is granted.
//
// The second bounds what a server grants in an outage, to two if it has few requests in hand,
// however full its bucket is; the first bounds the long run. The zero Fleet is a good budget.
type Fleet struct {
	Ratio float64 // what a success earns, in retries; 0 means 0.12; at most 1
	Burst float64 // what a full bucket holds, in retries; 0 means 20; between 1 and 1e6
	Open  int     // how many grants may be open in an idle server; 0 means 2; at most 1e6
}

// openShare is how many of the requests in hand may be open grants. When every tenth fails, twice
// as many as usually fail together: a grant is open for about as long as a request takes.
const openShare = 5

// Validate reports every field that is out of its range.
func (f Fleet) Validate() error {
	var errs []error
	if f.Ratio != 0 && !(f.Ratio >= 1/micro && f.Ratio <= 1) {
		errs = append(errs, conf.Errorf("Ratio", "must be 0 (the default) or between 0.000001 and 1, not %v", f.Ratio))
	}
	if f.Burst != 0 && !(f.Burst >= 1 && f.Burst <= 1e6) {
		errs = append(errs, conf.Errorf("Burst", "must be 0 (the default) or between 1 and 1e6, not %v", f.Burst))
	}
	if f.Open < 0 || f.Open > 1e6 {
		errs = append(errs, conf.Errorf("Open", "must be between 0 (the default) and 1e6, not %d", f.Open))
	}
	return errors.Join(errs...)
}

// New returns a full budget. It panics if Validate reports an error.
func (f Fleet) New() *Answers {
	a := f.NewDrained()
	a.tokens = a.full
	a.quiet.Store(true)
	return a
}

// NewDrained returns an empty budget, for a key that is known to have been in trouble.
func (f Fleet) NewDrained() *Answers {
	if err := f.Validate(); err != nil {
		panic("budget: Fleet: " + err.Error())
	}
	return &Answers{
		ratio: int64(math.Round(cmp.Or(f.Ratio, 0.12) * micro)),
		full:  int64(math.Round(cmp.Or(f.Burst, 20) * micro)),
		least: int64(cmp.Or(f.Open, 2)),
	}
}

// Answers decides for a server which of its answers may be retried; see [Fleet]. It is safe for
// concurrent use, and has no clock.
type Answers struct {
	ratio, full int64 // in millionths of a retry
	least       int64 // grants that may be open

	began atomic.Int64 // requests
	ended atomic.Int64 // of these
	quiet atomic.Bool  // the bucket is full and nothing is open, so that a success changes nothing

	mu     sync.Mutex
	tokens int64 // in millionths of a retry
	open   int64 // grants that no success has answered
	since  int64 // the number of the last request that had begun at the first of these
}

// Begin counts a request that comes in, and returns its number. End must be called with it.
func (a *Answers) Begin() (request int64) { return a.began.Add(1) }

// End ends a request. succeeded reports whether its answer proves that the server works: a
// success, or a refusal of the application's own. A request that was answered with "do not retry"
// or with an invitation has not succeeded.
func (a *Answers) End(request int64, succeeded bool) {
	a.ended.Add(1)
	if !succeeded || a.quiet.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = min(a.tokens+a.ratio, a.full)
	if request > a.since {
		a.open = 0
	}
	a.quiet.Store(a.tokens == a.full && a.open == 0)
}

// Fail reports whether the retry is affordable that a failed answer invites, and pays for it. It
// is called before End, at most once a request.
func (a *Answers) Fail() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.affords() {
		return false
	}
	if a.open == 0 {
		a.since = a.began.Load()
	}
	a.open++
	a.tokens -= micro
	a.quiet.Store(false)
	return true
}

// affords reports whether one more grant is affordable. It requires that a.mu is held.
func (a *Answers) affords() bool {
	inHand := a.began.Load() - a.ended.Load()
	return a.tokens >= micro && a.open < a.least+inHand/openShare
}

// Level returns how much of the bucket is left, from 0 to 1, and 0 while nothing is granted.
func (a *Answers) Level() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.affords() {
		return 0
	}
	return float64(a.tokens) / float64(a.full)
}
