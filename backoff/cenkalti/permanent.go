package cenkalti

import (
	"errors"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/retry"
)

// IsPermanent reports whether err is, or wraps, what backoff.Permanent made: the operation must not be retried.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*cenkalti.PermanentError](err)
	return ok
}

// Classify is retry.Classify for operations that still use backoff.Permanent, for retry.WithClassifier: to it, that
// is what retry.Permanent is.
func Classify(err error) retry.Outcome {
	if IsPermanent(err) {
		err = retry.Permanent(err)
	}
	return retry.Classify(err)
}
