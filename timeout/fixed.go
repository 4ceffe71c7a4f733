package timeout

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Fixed is a limit that never changes: every attempt may take this long. It must be more than 0.
// It is its own [Limit], and safe for concurrent use.
type Fixed time.Duration

// Validate refuses a limit of zero or less: an attempt that may take no time cannot succeed, and
// "no limit" is said by giving no Spec.
func (f Fixed) Validate() error {
	if f <= 0 {
		return fmt.Errorf("must be more than 0, not %v", time.Duration(f))
	}
	return nil
}

// New returns f. It panics if f is not valid.
func (f Fixed) New() Limit {
	if err := f.Validate(); err != nil {
		panic(conf.In("timeout.Fixed", err))
	}
	return f
}

// Timeout returns f.
func (f Fixed) Timeout() time.Duration { return time.Duration(f) }

// String writes f as a duration: "250ms".
func (f Fixed) String() string { return time.Duration(f).String() }
