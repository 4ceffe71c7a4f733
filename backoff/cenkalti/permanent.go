package cenkalti

import (
	"errors"

	cenkalti "github.com/cenkalti/backoff/v4"
)

// IsPermanent reports whether err is, or wraps, what backoff.Permanent made: the operation must not be retried.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*cenkalti.PermanentError](err)
	return ok
}
