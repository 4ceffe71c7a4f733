package drive

import (
	"context"
	"time"
)

// sleep returns at the given time, or when ctx ends.
func sleep(ctx context.Context, until time.Time) {
	left := time.Until(until)
	if left <= 0 { // the observer or the backoff strategy took that long
		return
	}
	timer := time.NewTimer(left) // not pooled: a pooled timer is fatal in a synctest bubble
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
