package timeout

import (
	"fmt"
	"time"
)

// Fixed is a limit that never changes: every attempt may take this long. It must be more than 0.
// It is its own [Limit], and safe for concurrent use.
type Fixed time.Duration

// Validate refuses a limit of zero or less: an attempt that may take no time cannot succeed, and "no limit" is said
// by giving no Spec.
func (f Fixed) Validate() error {
	if f <= 0 {
		return fmt.Errorf("must be more than 0, not %v", time.Duration(f))
	}
	return nil
}

// New returns f.
func (f Fixed) New() Limit { return f }

// Timeout returns f, or 0 (no limit) for a Fixed that is not valid.
func (f Fixed) Timeout() time.Duration { return max(0, time.Duration(f)) }

// String writes f as a duration: "250ms".
func (f Fixed) String() string { return time.Duration(f).String() }
