// Package conf reads and writes plain configuration data as strict JSON: durations as "250ms",
// values of an open set by name, and every mistake reported with the path of its field.
package conf

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// FieldError is one mistake in one field. Path uses Go names, outermost first.
type FieldError struct {
	Path []string
	Msg  string
}

func (e *FieldError) Error() string {
	if len(e.Path) == 0 {
		return e.Msg
	}
	return strings.Join(e.Path, ".") + ": " + e.Msg
}

// Errorf makes a FieldError for one field.
func Errorf(field, format string, args ...any) error {
	return &FieldError{Path: []string{field}, Msg: fmt.Sprintf(format, args...)}
}

// In puts field in front of the path of every mistake in err; nil stays nil.
// An error that is no FieldError becomes one.
func In(field string, err error) error {
	var all []error
	for _, e := range Flatten(err) {
		fe := &FieldError{Msg: e.Error()}
		var inner *FieldError
		if errors.As(e, &inner) {
			fe = &FieldError{Path: inner.Path, Msg: inner.Msg}
		}
		fe.Path = append([]string{field}, fe.Path...)
		all = append(all, fe)
	}
	return errors.Join(all...)
}

// Flatten lists the errors that errors.Join put together, however deeply.
func Flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Flatten(e)...)
	}
	return all
}

// Snake spells a Go name as JSON spells it: MaxAttempts is max_attempts, TTL is ttl.
func Snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			after := unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])
			before := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if after || before {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
