package cenkalti

import (
	"errors"

	cenkalti "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/retry"
)

// IsPermanent reports whether err is, or wraps, what backoff.Permanent made: the operation must
// not be retried.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*cenkalti.PermanentError](err)
	return ok
}

// Classify works as retry.Classify does, but treats backoff.Permanent like retry.Permanent, for
// operations that still use it. A policy whose strategy is of [From] does so by itself; pass it
// to others by retry.WithClassifier.
func Classify(err error) retry.Outcome {
	o := retry.Classify(err)
	if o.Class == retry.Transient && IsPermanent(err) {
		return retry.Classify(retry.Permanent(err))
	}
	return o
}
