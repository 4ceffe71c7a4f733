package backoff

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Every calls run once in each period, at the [Phase] of key, until ctx is done. It returns ctx's
// error, wrapped together with the cause if that is another.
//
// The slots lie on a grid from the Unix epoch, so they do not drift, however long run takes, and a
// restart does not move them: the first run is in the next slot, not at once. Runs never overlap:
// they are calls on this goroutine, and a run that takes longer than what is left of its period
// skips the slots that it covers. When the system's clock is set, the slot after the next follows
// it.
//
// A run that fails is repeated in its next slot. If its error has a method RetryAfter, as a
// *retry.Error does, that is the first slot after so long, or after ten periods if that is
// sooner. Every passes ctx to run. It panics if period is not above 0. It does not recover a
// panic in run.
func Every(ctx context.Context, key string, period time.Duration, run func(ctx context.Context) error) error {
	phase := Phase(key, period)
	timer := time.NewTimer(period)
	defer timer.Stop()
	pause := time.Duration(0)
	for last := time.Duration(-1); ; {
		now := time.Duration(time.Now().UnixNano())
		wait := pause + untilSlot(now+pause, phase, period)
		if now+wait == last { // the timer fired a little early by the system's clock
			wait += period
		}
		last = now + wait
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		pause = retryAfter(run(ctx), period)
	}
}

const (
	mostSkipped  = 10                   // periods that a run's error may ask to wait
	longestPause = 365 * 24 * time.Hour // no arithmetic overflows with it
)

// retryAfter returns how long a run's error asks to wait.
func retryAfter(err error, period time.Duration) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if !errors.As(err, &asks) {
		return 0
	}
	pause := min(max(asks.RetryAfter(), 0), longestPause)
	if pause/mostSkipped >= period {
		return mostSkipped * period
	}
	return pause
}

// untilSlot returns the time from now to the next point of the form n*period + phase: 0 if that is
// now.
func untilSlot(now, phase, period time.Duration) time.Duration {
	into := now % period
	if into < 0 { // before 1970
		into += period
	}
	if into > phase {
		return period - (into - phase)
	}
	return phase - into
}

// stopped returns the reason why ctx is done, for errors.Is with both the context's error and its
// cause.
func stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
