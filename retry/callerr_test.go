package retry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// told counts the calls that an observer is told of.
type told struct{ calls int }

func (*told) AttemptDone(context.Context, retry.Attempt) {}
func (t *told) CallDone(context.Context, retry.Report)   { t.calls++ }

func TestErrIsWhatCallDoneReturnsAndTellsNobody(t *testing.T) {
	var seen told
	p := retry.Must(retry.New(retry.Config{MaxAttempts: 2}, retry.WithObserver(&seen)))
	last := errors.New("down")
	for _, class := range []retry.Class{retry.Success, retry.Rejected, retry.Throttled} {
		ctx, mark := layer.With(t.Context())
		now := time.Now()
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		c.Done(now, 1, retry.Outcome{Class: class})
		c.Cancel(now) // does nothing to a call that has stopped
		err := c.Err(ctx, last)
		require.Zero(t, seen.calls)
		require.False(t, mark.Spent())
		require.Equal(t, p.CallDone(ctx, &c, last), err)
		require.Equal(t, class == retry.Success, err == nil)
		seen.calls = 0
	}
}
