// Package testkit holds what the tests of several packages need: a budget that keeps books, an
// observer that remembers, a context that counts what is Registered on it.
package testkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// ErrDown is what operations fail with.
var ErrDown = errors.New("down")

// Always returns a policy that waits a constant time and spends without limit, unless cfg says
// otherwise.
func Always(t testing.TB, cfg retry.Config, opts ...retry.Option) *retry.Policy {
	t.Helper()
	cfg.Backoff = cmp.Or(cfg.Backoff, backoff.Constant(time.Second))
	cfg.ThrottledBackoff = cmp.Or(cfg.ThrottledBackoff, backoff.Constant(10*time.Second))
	cfg.Budget = cmp.Or[budget.Spec](cfg.Budget, budget.Unlimited{})
	p, err := retry.New(cfg, append([]retry.Option{Known()}, opts...)...)
	require.NoError(t, err)
	return p
}

// Known classifies every error as one that a classifier knows: tests inspect the policy's budget
// at.
func Known() retry.Option {
	return retry.WithClassifier(func(err error) retry.Outcome {
		o := retry.Classify(err)
		o.Evidence = budget.None
		return o
	})
}

// Stopped returns the *retry.Error that err must be.
func Stopped(t testing.TB, err error) *retry.Error {
	t.Helper()
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	return e
}

// Pause waits for d or until ctx ends, as an honest operation does.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Ledger is a budget that records every permit, and in Wrong each breach of the contract.
type Ledger struct {
	mu      sync.Mutex
	Last    budget.Permit
	open    map[budget.Permit]budget.Kind
	Ends    []budget.Evidence
	Asked   []Ask
	Admits  int
	Times   []time.Time // of Begin and End
	Wrong   []string
	Refuse  func(k budget.Kind) bool // nil admits all
	Refused int
}

// Ask is one question for admission.
type Ask struct {
	Kind    budget.Kind
	Because budget.Evidence
	Held    budget.Permit
}

// NewLedger returns a budget that affords everything.
func NewLedger() *Ledger { return &Ledger{open: map[budget.Permit]budget.Kind{}} }

// Issue returns a new permit.
func (l *Ledger) Issue(k budget.Kind) budget.Permit {
	l.Last++
	l.open[l.Last] = k
	return l.Last
}

// Begin implements budget.Budget.
func (l *Ledger) Begin(now time.Time) budget.Permit {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Times = append(l.Times, now)
	return l.Issue(budget.First)
}

// Admit implements budget.Budget.
func (l *Ledger) Admit(now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit) (budget.Permit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Asked = append(l.Asked, Ask{k, because, held})
	if k == budget.First {
		l.Wrong = append(l.Wrong, "a first attempt asked for admission")
	}
	if l.Refuse != nil && l.Refuse(k) {
		l.Refused++
		return 0, false
	}
	l.Admits++
	return l.Issue(k), true
}

// End implements budget.Budget.
func (l *Ledger) End(now time.Time, p budget.Permit, e budget.Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Times = append(l.Times, now)
	if _, ok := l.open[p]; !ok {
		l.Wrong = append(l.Wrong, fmt.Sprintf("permit %d ended twice or never given", p))
	}
	delete(l.open, p)
	l.Ends = append(l.Ends, e)
}

// Open returns how many permits have not been ended.
func (l *Ledger) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// Ended returns how many permits were ended with e.
func (l *Ledger) Ended(e budget.Evidence) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.Ends {
		if end == e {
			n++
		}
	}
	return n
}

// Settled requires that every permit was ended, once.
func (l *Ledger) Settled(t require.TestingT) {
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.Wrong)
	require.Empty(t, l.open, "permits that were never ended")
}

// Watcher records an observer's calls.
type Watcher struct {
	mu       sync.Mutex
	Attempts []retry.Attempt
	Reports  []retry.Report
	Order    []string
	On       func(retry.Attempt)
}

// AttemptDone implements retry.Observer.
func (w *Watcher) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Attempts = append(w.Attempts, a)
	w.Order = append(w.Order, fmt.Sprintf("attempt %d", a.Number))
	if w.On != nil {
		w.On(a)
	}
}

// CallDone implements retry.Observer.
func (w *Watcher) CallDone(_ context.Context, r retry.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Reports = append(w.Reports, r)
	w.Order = append(w.Order, "call")
}

// Parent is a long-lived, cancellable context that counts what is Registered on it.
type Parent struct {
	context.Context
	done chan struct{}

	mu   sync.Mutex
	regs map[int]func()
	next int
}

// NewParent returns a context that never ends.
func NewParent() *Parent {
	return &Parent{Context: context.Background(), done: make(chan struct{}), regs: map[int]func(){}}
}

// Done implements context.Context.
func (p *Parent) Done() <-chan struct{} { return p.done }

// AfterFunc implements the method that package context calls on a Parent that is not its own.
func (p *Parent) AfterFunc(f func()) func() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	id := p.next
	p.regs[id] = f
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, ok := p.regs[id]
		delete(p.regs, id)
		return ok
	}
}

// Registered returns how many contexts are registered.
func (p *Parent) Registered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.regs)
}
