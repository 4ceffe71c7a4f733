package cenkalti_test

import (
	"context"
	"errors"
	"fmt"
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

// policy waits as newBackOff says, with attempts and budget enough for its own Stop to be what
// ends a call.
func policy(newBackOff func() upstream.BackOff) *retry.Policy {
	return retry.Must(retry.New(retry.Config{
		MaxAttempts: 10, Backoff: cenkalti.From(newBackOff), Budget: budget.Unlimited{},
	}))
}

func TestDo_WaitsAndStopsAsBackOff(t *testing.T) {
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

func TestDo_UnderstandsPermanent(t *testing.T) {
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

// With the library's BackOff comes its word for "do not retry": nobody has to know about Classify.
func TestFrom_BringsClassifierForPermanent(t *testing.T) {
	sent := func(p *retry.Policy, fails error) (n int) {
		err := retry.Do(t.Context(), p, func(context.Context) error { n++; return fails })
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return n
	}
	permanent := fmt.Errorf("read user: %w", upstream.Permanent(errors.ErrUnsupported))
	from := cenkalti.From(func() upstream.BackOff { return &upstream.ZeroBackOff{} })
	for name, cfg := range map[string]retry.Config{
		"as it is":       {Backoff: from},
		"wrapped":        {Backoff: backoff.Cap(backoff.Floor(from, 0), s)},
		"after throttle": {Backoff: backoff.None(), ThrottledBackoff: from},
	} {
		cfg.Budget = budget.Unlimited{}
		p := retry.Must(retry.New(cfg))
		require.Equal(t, 1, sent(p, permanent), name)
		require.Equal(t, 3, sent(p, errors.ErrUnsupported), name)

		p, err := p.Reload(retry.Config{Backoff: backoff.None(), Budget: cfg.Budget})
		require.NoError(t, err, name)
		require.Equal(t, 1, sent(p, permanent), "%s: and counts without the BackOff", name)

		p, err = p.Reload(cfg)
		require.NoError(t, err, name)
		require.Equal(t, 1, sent(p, permanent), "%s: and with it again", name)

		always := func(error) retry.Outcome { return retry.Outcome{Class: retry.Transient} }
		p, err = p.Reload(cfg, retry.WithClassifier(always))
		require.NoError(t, err, name)
		require.Equal(t, 3, sent(p, permanent), "%s: a classifier is the user's own word", name)
	}
}

func TestClassify(t *testing.T) {
	require.Equal(t, retry.Classify(retry.Permanent(errors.ErrUnsupported)), cenkalti.Classify(upstream.Permanent(errors.ErrUnsupported)))
	for _, err := range []error{
		nil, errors.ErrUnsupported, retry.Permanent(errors.ErrUnsupported), retry.After(errors.ErrUnsupported, time.Second),
	} {
		require.Equal(t, retry.Classify(err), cenkalti.Classify(err), "%v", err)
	}
	inner := fmt.Errorf("inner: %w", &retry.Error{Last: upstream.Permanent(errors.ErrUnsupported)})
	require.Equal(t, retry.Classify(inner), cenkalti.Classify(inner), "what stopped a call inside is no mark on this one")
}

// The two steps of a migration wait alike: the library's loop over our strategy, and ours over its
// BackOff.
func TestToFrom_BothLoopsWaitAlike(t *testing.T) {
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

// dressed is an error that only its method As knows to be permanent.
type dressed struct{ error }

func (d dressed) As(target any) bool {
	to, ok := target.(**upstream.PermanentError)
	if ok {
		*to = &upstream.PermanentError{Err: d.error}
	}
	return ok
}

func TestClassify_FindsAMarkThatAnErrorsAsMethodGives(t *testing.T) {
	err := fmt.Errorf("reading: %w", dressed{errors.ErrUnsupported})
	require.True(t, cenkalti.IsPermanent(err))
	require.Equal(t, retry.Outcome{Class: retry.Rejected, Alive: true}, cenkalti.Classify(err))
	require.Equal(t, retry.Transient, retry.Classify(err).Class, "which does not know the library")
}
