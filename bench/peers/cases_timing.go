package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

func timingCases() []testCase {
	return []testCase{
		{name: "attempts 1 to 10^6 of a backoff: no delay is negative or above its cap", run: delaysInRange},
		{name: "a base of 100 years does not overflow", run: hugeBase},
		{name: "jitter is still present at the cap", run: jitterAtCap},
		{name: "no sleep after the last attempt", run: noLastSleep},
		{name: "a wait that would pass the deadline: return at once, with the last error", run: noSleepIntoDeadline},
		{name: "the same over HTTP: the response, at once", run: noSleepIntoDeadlineHTTP},
		{name: "cancelled during the wait: returns promptly, without another attempt", run: cancelWait},
		{name: "a policy shared by 256 goroutines: each call's attempts count from 1", run: sharedPolicy},
		{name: "Retry-After: 1 is waited for, after a 429 and a 503", run: retryAfterSeconds},
		{name: "Retry-After with a date is waited for", run: retryAfterDate},
		{name: "Retry-After with one of the two older kinds of date is waited for", run: retryAfterOldDates},
		{name: "Retry-After: 0 or in the past still waits our own backoff", run: retryAfterPast},
		{name: "Retry-After that is huge or negative is no hot loop", run: retryAfterHuge},
		{name: "one attempt: sends once and returns what came", run: onlyOnce},
	}
}

// delays returns the library's exponential backoff with jitter, or the reason why there is none.
func (l *library) delays(base, limit time.Duration) (func(int) time.Duration, error) {
	if l.delay == nil {
		return nil, notApplicable("it has no backoff that can be asked for its delays")
	}
	return l.delay(base, limit), nil
}

// most returns the longest delay that the documentation allows.
func (l *library) most(limit time.Duration) time.Duration {
	return limit + time.Duration(float64(limit)*l.aboveCap) + 1
}

func delaysInRange(l *library) error {
	const base, limit = 50 * time.Millisecond, 20 * time.Second
	next, err := l.delays(base, limit)
	if err != nil {
		return err
	}
	// Each n by itself, as a call would ask: those between would take long with backoffs that
	// count by themselves.
	for _, n := range []int{1, 2, 3, 10, 30, 31, 32, 33, 52, 62, 63, 64, 65, 100, 1000, 1_000_000} {
		for range 20 {
			if d := next(n); d < 0 || d > l.most(limit) {
				return fmt.Errorf("the delay before retry %d is %v with a cap of %v", n, d, limit)
			}
			if n > 1000 {
				break
			}
		}
	}
	return nil
}

func hugeBase(l *library) error {
	const century = 100 * 365 * 24 * time.Hour
	next, err := l.delays(century, century)
	if err != nil {
		return err
	}
	if l.name == awsLibrary.name {
		return notApplicable("its base is fixed")
	}
	for _, n := range []int{1, 2, 3, 40} {
		for range 20 {
			if d := next(n); d < 0 || d > l.most(century) {
				return fmt.Errorf("the delay before retry %d is %v with a cap of %v", n, d, century)
			}
		}
	}
	return nil
}

func jitterAtCap(l *library) error {
	const base, limit = time.Second, 8 * time.Second
	next, err := l.delays(base, limit)
	if err != nil {
		return err
	}
	seen := map[time.Duration]int{}
	for range 100 {
		seen[next(40)]++
	}
	for d, n := range seen {
		if n > 25 {
			return fmt.Errorf("%d of 100 delays at the cap are %v", n, d)
		}
	}
	return nil
}

// timed returns how long a call took whose every attempt fails, and how often it was sent.
func timed(ctx context.Context, do doer) (took time.Duration, sent int, err error) {
	start := time.Now()
	err = do(ctx, func(context.Context) error { sent++; return errDown })
	return time.Since(start), sent, err
}

func noLastSleep(l *library) error {
	const delay = 2 * time.Second
	do, err := l.doer(rules{attempts: 2, delay: delay})
	if err != nil {
		return err
	}
	took, sent, err := timed(context.Background(), do)
	switch {
	case sent != 2:
		return fmt.Errorf("sent %d times, not 2", sent)
	case took > 2*delay-delay/30:
		return fmt.Errorf("one wait of %v took %v", delay, took.Round(time.Millisecond))
	case !errors.Is(err, errDown):
		return fmt.Errorf("the last error is lost: %w", err)
	}
	return nil
}

func noSleepIntoDeadline(l *library) error {
	do, err := l.doer(rules{attempts: 3, delay: time.Minute})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	took, _, err := timed(ctx, do)
	switch {
	case !errors.Is(err, errDown):
		return fmt.Errorf("after %v, the last error is lost: %w", took.Round(time.Millisecond), err)
	case took > 4*time.Second:
		return fmt.Errorf("it slept for %v", took.Round(time.Millisecond))
	}
	return nil
}

func noSleepIntoDeadlineHTTP(l *library) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	start := time.Now()
	resp, err := l.fetch(rules{attempts: 3, delay: time.Minute}, statuses(503), get().WithContext(ctx))
	if err != nil {
		return err
	}
	if took := time.Since(start); took > 4*time.Second {
		return fmt.Errorf("it slept for %v", took.Round(time.Millisecond))
	}
	return wantStatus(resp, 503)
}

func cancelWait(l *library) error {
	do, err := l.doer(rules{attempts: 3, delay: 10 * time.Second})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sent, start := 0, time.Now()
	err = do(ctx, func(context.Context) error {
		if sent++; sent == 1 {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
		return errDown
	})
	took := time.Since(start)
	switch {
	case err == nil:
		return errors.New("no error")
	case took > 4*time.Second: // the least of ten with jitter is more, for most
		return fmt.Errorf("it took %v", took.Round(time.Millisecond))
	case sent != 1:
		return fmt.Errorf("sent %d times", sent)
	}
	return nil
}

func sharedPolicy(l *library) error {
	do, err := l.doer(thrice)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for range 256 {
		wg.Go(func() {
			sent := 0
			err := do(context.Background(), func(context.Context) error {
				sent++
				return errDown
			})
			if err == nil || sent < 1 || sent > 3 {
				wrong.Store(int64(sent))
			}
		})
	}
	wg.Wait()
	if n := wrong.Load(); n != 0 {
		return fmt.Errorf("a call was sent %d times", n)
	}
	return nil
}

// hinted returns a script of a code with a Retry-After, then a 200.
func hinted(code int, after func() string) *script {
	s := statuses(code, 200)
	answer := s.answer
	s.answer = func(n int, req *http.Request) (*http.Response, error) {
		resp, err := answer(n, req)
		if n == 1 {
			resp.Header.Set("Retry-After", after())
		}
		return resp, err
	}
	return s
}

// waited returns how long a library waited after an answer with a Retry-After.
func waited(l *library, r rules, code int, after func() string) (time.Duration, error) {
	s := hinted(code, after)
	resp, err := l.fetch(r, s, get())
	if err != nil {
		return 0, err
	}
	return s.gap(), wantStatus(resp, 200)
}

func constant(v string) func() string { return func() string { return v } }

func retryAfterSeconds(l *library) error {
	for _, code := range []int{429, 503} {
		d, err := waited(l, brief, code, constant("1"))
		if err != nil {
			return fmt.Errorf("%d: %w", code, err)
		}
		if d < time.Second || d > 15*time.Second {
			return fmt.Errorf("after a %d it waited %v", code, d.Round(time.Millisecond))
		}
	}
	return nil
}

func retryAfterDate(l *library) error { return waitedUntil(l, http.TimeFormat) }

func retryAfterOldDates(l *library) error {
	return waitedUntil(l, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC)
}

// waitedUntil checks that a date two seconds ahead is waited for.
func waitedUntil(l *library, layouts ...string) error {
	for _, layout := range layouts {
		d, err := waited(l, brief, 503, func() string { return time.Now().UTC().Add(2 * time.Second).Format(layout) })
		if err != nil {
			return fmt.Errorf("%s: %w", layout, err)
		}
		if d < 900*time.Millisecond || d > 15*time.Second { // the date has whole seconds
			return fmt.Errorf("two seconds, as %q: it waited %v", layout, d.Round(time.Millisecond))
		}
	}
	return nil
}

func retryAfterPast(l *library) error {
	own := rules{attempts: 3, delay: 100 * time.Millisecond}
	for _, v := range []string{"0", "Fri, 31 Dec 1999 23:59:59 GMT"} {
		d, err := waited(l, own, 503, constant(v))
		if err != nil {
			return fmt.Errorf("%q: %w", v, err)
		}
		if d < 90*time.Millisecond {
			return fmt.Errorf("%q: it waited %v, with a backoff of 100ms", v, d.Round(time.Microsecond))
		}
	}
	return nil
}

func retryAfterHuge(l *library) error {
	own := rules{attempts: 3, delay: 100 * time.Millisecond}
	for _, v := range []string{"9223372036854775807", "9223372037", "-5"} {
		s := hinted(503, constant(v))
		rt, err := l.over(own, s)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		resp, err := rt.RoundTrip(get().WithContext(ctx))
		cancel()
		if err == nil {
			_ = resp.Body.Close()
		}
		if d := s.gap(); s.sent() > 1 && d < 90*time.Millisecond {
			return fmt.Errorf("%q: it waited %v, with a backoff of 100ms", v, d.Round(time.Microsecond))
		}
	}
	return nil
}

func onlyOnce(l *library) error {
	once := rules{attempts: 1, delay: time.Minute}
	if l.do != nil {
		_, sent, err := timed(context.Background(), l.do(once))
		if sent != 1 || !errors.Is(err, errDown) {
			return fmt.Errorf("a call was sent %d times: %w", sent, err)
		}
	}
	if l.http != nil {
		s := statuses(503)
		resp, err := l.fetch(once, s, get())
		if err != nil {
			return err
		}
		return first(s.wantSent(1), wantStatus(resp, 503))
	}
	if l.do == nil {
		return notApplicable("it has neither a Do nor a RoundTripper that retries")
	}
	return nil
}
