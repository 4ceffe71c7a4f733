package retry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

var errDown = errors.New("down")

// always makes a policy that waits a constant time and spends without limit, unless cfg says otherwise.
func always(t testing.TB, cfg retry.Config, opts ...retry.Option) *retry.Policy {
	t.Helper()
	if cfg.Backoff == nil {
		cfg.Backoff = backoff.Constant(time.Second)
	}
	if cfg.ThrottledBackoff == nil {
		cfg.ThrottledBackoff = backoff.Constant(10 * time.Second)
	}
	if cfg.Budget == nil {
		cfg.Budget = budget.Unlimited{}
	}
	p, err := retry.New(cfg, opts...)
	require.NoError(t, err)
	return p
}

// stopped is the *retry.Error that err must be.
func stopped(t testing.TB, err error) *retry.Error {
	t.Helper()
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	return e
}

// pause waits for d or until ctx ends, as an honest operation does.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// ledger is a budget that books every permit, and complains about whatever the contract forbids.
type ledger struct {
	mu      sync.Mutex
	last    budget.Permit
	open    map[budget.Permit]budget.Kind
	ends    []budget.Evidence
	asked   []ask
	admits  int
	times   []time.Time // of Begin and End
	wrong   []string
	refuse  func(k budget.Kind) bool // nil admits all
	refused int
}

type ask struct {
	kind    budget.Kind
	because budget.Evidence
	held    budget.Permit
}

func newLedger() *ledger { return &ledger{open: map[budget.Permit]budget.Kind{}} }

func (l *ledger) issue(k budget.Kind) budget.Permit {
	l.last++
	l.open[l.last] = k
	return l.last
}

func (l *ledger) Begin(now time.Time) budget.Permit {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, now)
	return l.issue(budget.First)
}

func (l *ledger) Admit(now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit) (budget.Permit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, ask{k, because, held})
	if k == budget.First {
		l.wrong = append(l.wrong, "a first attempt asked for admission")
	}
	if l.refuse != nil && l.refuse(k) {
		l.refused++
		return 0, false
	}
	l.admits++
	return l.issue(k), true
}

func (l *ledger) End(now time.Time, p budget.Permit, e budget.Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, now)
	if _, ok := l.open[p]; !ok {
		l.wrong = append(l.wrong, fmt.Sprintf("permit %d ended twice or never given", p))
	}
	delete(l.open, p)
	l.ends = append(l.ends, e)
}

// settled requires that every permit was ended, once.
func (l *ledger) settled(t require.TestingT) {
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.wrong)
	require.Empty(t, l.open, "permits that were never ended")
}

// watcher records what an observer is told.
type watcher struct {
	mu       sync.Mutex
	attempts []retry.Attempt
	reports  []retry.Report
	order    []string
	on       func(retry.Attempt)
}

func (w *watcher) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, a)
	w.order = append(w.order, fmt.Sprintf("attempt %d", a.Number))
	if w.on != nil {
		w.on(a)
	}
}

func (w *watcher) CallDone(_ context.Context, r retry.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = append(w.reports, r)
	w.order = append(w.order, "call")
}

// parent is a long-lived, cancellable context that counts what is registered on it.
type parent struct {
	context.Context
	done chan struct{}

	mu   sync.Mutex
	regs map[int]func()
	next int
}

func newParent() *parent {
	return &parent{Context: context.Background(), done: make(chan struct{}), regs: map[int]func(){}}
}

func (p *parent) Done() <-chan struct{} { return p.done }

// AfterFunc is what package context looks for on a parent that is not its own.
func (p *parent) AfterFunc(f func()) func() bool {
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

func (p *parent) registered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.regs)
}
