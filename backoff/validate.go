package backoff

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// must returns s. It panics with the constructor's and the argument's name if s is invalid, as
// regexp.MustCompile does.
func must[S Strategy](constructor string, s S) S {
	if err := conf.Spelled(Validate(s)); err != nil {
		panic(fmt.Sprintf("backoff.%s: %s", constructor, strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return s
}

// Validate reports every mistake in a strategy of this package, nested ones included, joined by
// errors.Join. Constructors panic at mistakes, so only a strategy that was decoded can have any.
// For a strategy from elsewhere it calls Validate() error, if there is such a method; nil is a
// mistake.
func Validate(s Strategy) error {
	if s == nil {
		return errors.New("must be a strategy, not nil")
	}
	if v, ok := s.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// validRange returns an error unless 0 < base <= cap.
func validRange(baseName string, base, cap time.Duration) error {
	return errors.Join(
		conf.Check(base > 0, baseName, "must be above 0, not %v", base),
		conf.Check(cap > 0, "Cap", "must be above 0, not %v", cap),
		conf.Check(cap <= 0 || cap >= base, "Cap", "must not be below %s (%v), not %v", strings.ToLower(baseName), base, cap),
	)
}
