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

func TestErrIsCallDoneWithoutTheObserver(t *testing.T) {
	var seen told
	p := retry.Must(retry.New(retry.Config{MaxAttempts: 2}, retry.WithObserver(&seen)))
	last := errors.New("down")
	for _, o := range []retry.Outcome{
		{}, {Class: retry.Rejected}, {Class: retry.Throttled}, {Class: retry.Transient, NoRetry: true},
	} {
		ctx, mark := layer.With(t.Context())
		now := time.Now()
		c := p.Start(now, time.Time{}, false)
		c.Next(now)
		c.Done(now, 1, o)
		c.Cancel(now) // does nothing to a call that has stopped
		err := c.Err(ctx, last)
		require.Zero(t, seen.calls)
		require.Equal(t, o.NoRetry, mark.Spent(), "as soon as the caller can see the error")
		require.Equal(t, p.CallDone(ctx, &c, last), err)
		require.Equal(t, o.Class == retry.Success, err == nil)
		seen.calls = 0
	}
}
