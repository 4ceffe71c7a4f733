package testkit

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Immediate returns a policy without a budget or waits.
func Immediate(t testing.TB, change ...func(*retry.Config)) *retry.Policy {
	t.Helper()
	cfg := retry.Config{Backoff: backoff.None(), ThrottledBackoff: backoff.None(), Budget: budget.Unlimited{}}
	for _, f := range change {
		f(&cfg)
	}
	p, err := retry.New(cfg)
	require.NoError(t, err)
	return p
}

// BackendWatcher is an observer that counts attempts and keeps the events of backends.
type BackendWatcher struct {
	mu       sync.Mutex
	from     time.Time // attempts sent before do not count
	attempts int
	events   []outlier.Event
	times    []time.Time
}

func (w *BackendWatcher) AttemptDone(_ context.Context, a retry.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.from.IsZero() && !a.Sent.Before(w.from) {
		w.attempts++
	}
}

func (*BackendWatcher) CallDone(context.Context, retry.Report) {}

func (w *BackendWatcher) BackendChanged(_ context.Context, e outlier.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.times = append(w.events, e), append(w.times, time.Now())
}

// Attempts returns how many attempts were sent after the grace of a load.
func (w *BackendWatcher) Attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts
}

// Events returns the backends and changes of all events, the same whatever the timing.
func (w *BackendWatcher) Events() (s []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		s = append(s, e.Backend+" "+e.Change.String())
	}
	return s
}

// First returns the first event and when it happened.
func (w *BackendWatcher) First(t testing.TB) (outlier.Event, time.Time) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.events)
	return w.events[0], w.times[0]
}

// Calls is the number of calls of a load, at 100 a second.
const Calls = 3000

// Load holds the results of the calls of RunLoad.
type Load struct {
	OK     int
	Errors map[string]int
	Late   []time.Duration // how long the calls took that began after the grace
}

// P99 returns the 99th percentile of the late calls.
func (l *Load) P99() time.Duration {
	slices.Sort(l.Late)
	return l.Late[len(l.Late)*99/100]
}

// RunLoad makes the calls. w counts the attempts of those that begin after the grace.
func RunLoad(w *BackendWatcher, grace time.Duration, call func() error) *Load {
	var (
		l  = &Load{Errors: map[string]int{}}
		mu sync.Mutex
		wg sync.WaitGroup
	)
	w.mu.Lock()
	w.from = time.Now().Add(grace)
	w.mu.Unlock()
	for i := range Calls {
		late := time.Duration(i)*10*time.Millisecond >= grace
		wg.Go(func() {
			start := time.Now()
			err := call()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				l.OK++
			} else {
				l.Errors[err.Error()]++
			}
			if late {
				l.Late = append(l.Late, time.Since(start))
			}
		})
		time.Sleep(10 * time.Millisecond)
	}
	wg.Wait()
	return l
}
