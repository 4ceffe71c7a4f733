package cenkalti_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	upstream "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/backoff/cenkalti"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// policy waits as newBackOff says, with attempts and budget enough for its own Stop to be what ends a call.
func policy(newBackOff func() upstream.BackOff) *retry.Policy {
	return retry.Must(retry.New(retry.Config{
		MaxAttempts: 10, Backoff: cenkalti.From(newBackOff), Budget: budget.Unlimited{},
	}, retry.WithClassifier(cenkalti.Classify)))
}

func TestDoWaitsAsTheBackOffSaysAndStopsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(func() upstream.BackOff { return upstream.WithMaxRetries(doubling(), 3) })
		for range 2 { // the second call begins anew
			started := time.Now()
			var sent []time.Duration
			err := retry.Do(t.Context(), p, func(context.Context) error {
				sent = append(sent, time.Since(started))
				return errors.ErrUnsupported
			})
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.Equal(t, []time.Duration{0, s, 3 * s, 7 * s}, sent)
		}
	})
}

func TestDoUnderstandsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(func() upstream.BackOff { return &upstream.ZeroBackOff{} })
		sent := 0
		err := retry.Do(t.Context(), p, func(context.Context) error {
			sent++
			if sent == 2 {
				return upstream.Permanent(errors.ErrUnsupported)
			}
			return errors.New("once more")
		})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.True(t, cenkalti.IsPermanent(err))
		require.Equal(t, 2, sent)
		var stopped *retry.Error
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, retry.ReasonRejected, stopped.Reason)
	})
}

func TestClassify(t *testing.T) {
	require.Equal(t, retry.Classify(retry.Permanent(errors.ErrUnsupported)), cenkalti.Classify(upstream.Permanent(errors.ErrUnsupported)))
	for _, err := range []error{
		nil, errors.ErrUnsupported, retry.Permanent(errors.ErrUnsupported), retry.After(errors.ErrUnsupported, time.Second),
	} {
		require.Equal(t, retry.Classify(err), cenkalti.Classify(err), "%v", err)
	}
}

// The two steps of a migration wait alike: the library's loop over our strategy, and ours over its BackOff.
func TestBothLoopsWaitAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		curve := backoff.Exponential(s, 5*s)
		fails := func() error { return errors.ErrUnsupported }
		started := time.Now()
		require.Error(t, upstream.Retry(fails, cenkalti.To(curve, cenkalti.MaxAttempts(5))))
		theirs := time.Since(started)

		started = time.Now()
		p := policy(func() upstream.BackOff { return upstream.WithMaxRetries(doubling(), 4) })
		require.Error(t, retry.Do(t.Context(), p, func(context.Context) error { return fails() }))
		require.Equal(t, theirs, time.Since(started))
		require.Equal(t, 12*s, theirs)
	})
}
