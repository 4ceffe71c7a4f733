package backoff

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// must panics with the constructor's and the argument's name if s is nonsense, as
// regexp.MustCompile does.
func must[S Strategy](constructor string, s S) S {
	if err := conf.Spelled(Validate(s)); err != nil {
		panic(fmt.Sprintf("backoff.%s: %s", constructor, strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return s
}

// Validate reports every mistake in a strategy of this package, nested ones included, joined by
// errors.Join. Only one that was read from somewhere can have any: the constructors panic. A
// strategy from elsewhere is asked for its own Validate() error, if it has one; nil is a mistake.
func Validate(s Strategy) error {
	if s == nil {
		return errors.New("must be a strategy, not nil")
	}
	if v, ok := s.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// validRange reports unless 0 < base <= cap.
func validRange(baseName string, base, cap time.Duration) error {
	return errors.Join(
		conf.Check(base > 0, baseName, "must be above 0, not %v", base),
		conf.Check(cap > 0, "Cap", "must be above 0, not %v", cap),
		conf.Check(cap <= 0 || cap >= base, "Cap", "must not be below %s (%v), not %v", strings.ToLower(baseName), base, cap),
	)
}
