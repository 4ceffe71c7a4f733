package cenkalti_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	theirs "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/retry"
)

// An operation that still marks its errors by the old library, under a policy that knows nothing
// of that.
func TestPermanent_OldMarkIsNotRetried(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{Backoff: backoff.None()}))
	for _, wrap := range []func(error) error{
		func(err error) error { return err },
		func(err error) error { return fmt.Errorf("step 3: %w", err) },
	} {
		n := 0
		err := retry.Do(t.Context(), p, func(context.Context) error {
			n++
			return wrap(theirs.Permanent(errNoUser))
		})
		require.ErrorIs(t, err, errNoUser)
		require.Equal(t, 1, n)
	}
	require.Equal(t, retry.Rejected, retry.Classify(theirs.Permanent(errNoUser)).Class)
	require.Equal(t, retry.Transient, retry.Classify(&PermanentError{}).Class, "another package's")
}

var errNoUser = errors.New("no such user")

// PermanentError only has the name.
type PermanentError struct{}

func (*PermanentError) Error() string { return "busy" }
