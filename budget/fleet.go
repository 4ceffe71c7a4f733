package budget

import (
	"cmp"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Fleet describes the retry budget of a server, which all its clients share. For each answer that
// a client would retry, the server calls [Answers.Fail], and says "do not retry" if that reports
// false. This limits even the retries of clients that make one call each, whose own budgets
// cannot.
//
// A Fleet is not a [Spec], because the retry that a server allows may go to another server, or
// never be sent: a grant is not ended, and nothing waits. The rule has two parts:
//
//   - A success adds Ratio to a bucket of at most Burst retries, and a grant takes 1. A new
//     server starts with a full bucket.
//   - Grants are open until a request that began after the first of them succeeds. At most Open
//     grants may be open, and one more for each five requests under way.
//
// The first part limits grants in the long run, the second in an outage: to 2 for a server with
// few requests under way. The zero Fleet is a good budget.
type Fleet struct {
	Ratio float64 // what a success earns, in retries; 0 means 0.12; at most 1
	Burst float64 // what a full bucket holds, in retries; 0 means 20; between 1 and 1e6
	Open  int     // how many grants may be open in an idle server; 0 means 2; at most 1e6
}

// openShare is the number of requests under way for each grant that may be open. When every tenth
// request fails, twice as many as usual may fail together: a grant is open for about as long as a
// request takes.
const openShare = 5

// Validate reports every field that is out of its range.
func (f Fleet) Validate() error {
	return errors.Join(
		conf.Check(f.Ratio == 0 || f.Ratio >= 1/micro && f.Ratio <= 1, "Ratio",
			"must be 0 (the default) or between 0.000001 and 1, not %v", f.Ratio),
		conf.Check(f.Burst == 0 || f.Burst >= 1 && f.Burst <= 1e6, "Burst",
			"must be 0 (the default) or between 1 and 1e6, not %v", f.Burst),
		conf.Check(f.Open >= 0 && f.Open <= 1e6, "Open", "must be between 0 (the default) and 1e6, not %d", f.Open),
	)
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
// concurrent use, and does not use the time.
type Answers struct {
	ratio, full int64 // in millionths of a retry
	least       int64 // grants that may be open

	began atomic.Int64 // requests so far
	ended atomic.Int64 // of these, the ones that have ended
	quiet atomic.Bool  // the bucket is full and no grant is open, so that a success changes nothing

	mu     sync.Mutex
	tokens int64 // in millionths of a retry
	open   int64 // grants that are open
	since  int64 // the number of the last request that had begun when the first of these was made
}

// Begin counts an incoming request, and returns its number, which must be passed to End.
func (a *Answers) Begin() (request int64) { return a.began.Add(1) }

// End ends a request. succeeded must be true if the answer proves that the server works: a
// success, or a refusal by the application. It must be false for an answer that a client would
// retry, whether or not it said "do not retry".
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

// Fail reports whether a client may retry the failed answer that the server is about to send, and
// if so takes the retry from the budget. Call it before End, at most once per request.
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

// affords reports whether one more retry may be granted. It requires that a.mu is held.
func (a *Answers) affords() bool {
	underWay := a.began.Load() - a.ended.Load()
	return a.tokens >= micro && a.open < a.least+underWay/openShare
}

// Level returns how much of the bucket is left, from 0 to 1, and 0 while no retry is granted.
func (a *Answers) Level() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.affords() {
		return 0
	}
	return float64(a.tokens) / float64(a.full)
}
