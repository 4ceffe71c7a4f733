// Package conf reads and writes plain configuration data as strict JSON: durations as "250ms",
// values of an open set by name, and every mistake reported with the path of its field.
package conf

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// FieldError is one mistake in one field. Path has Go names, or JSON's (see Spelled), outermost
// first.
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

// Check returns nil if ok, and otherwise the error of Errorf. Callers pass as ok what must hold,
// and not its opposite, so that NaN is an error.
func Check(ok bool, field, format string, args ...any) error {
	if ok {
		return nil
	}
	return Errorf(field, format, args...)
}

// CheckPart reports what is wrong with the strategy or Spec of a field: a nil pointer, or what its
// Validate returns. A nil v is not wrong.
func CheckPart(field string, v any) error {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return Errorf(field, "must not be a nil %T", v)
	}
	if v, ok := v.(interface{ Validate() error }); ok {
		return In(field, v.Validate())
	}
	return nil
}

// In puts field in front of the path of every mistake in err; nil stays nil. An error that is not
// a FieldError becomes one.
func In(field string, err error) error {
	return each(err, func(e *FieldError) {
		e.Path = append([]string{field}, e.Path...)
	})
}

// Spelled changes the path of every mistake in err to JSON's spelling: MaxAttempts becomes
// max_attempts. An error that is not a FieldError becomes one.
func Spelled(err error) error {
	return each(err, func(e *FieldError) {
		path := make([]string, len(e.Path))
		for i, name := range e.Path {
			path[i] = Snake(name)
		}
		e.Path = path
	})
}

// each calls change with a copy of every mistake in err, and returns these joined.
func each(err error, change func(*FieldError)) error {
	var all []error
	for _, e := range Flatten(err) {
		fe := FieldError{Msg: e.Error()}
		if inner, ok := e.(*FieldError); ok { // not errors.As, which would lose what wraps it
			fe = *inner
		}
		change(&fe)
		all = append(all, &fe)
	}
	return errors.Join(all...)
}

var joined = reflect.TypeOf(errors.Join(errors.ErrUnsupported))

// Flatten returns the errors that errors.Join put together, however deeply. Other errors that
// wrap several have a text of their own, and are not split.
func Flatten(err error) []error {
	if err == nil {
		return nil
	}
	if reflect.TypeOf(err) != joined {
		return []error{err}
	}
	var all []error
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
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
			before := i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i-1] != '_'
			if after || before {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// shown returns a name from the input for an error's text: bounded in length, and quoted unless
// it is of letters, digits and underscores.
func shown(name string) string {
	const most = 64
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
	}
	if len(name) > most {
		return strconv.Quote(name[:most]) + "…"
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(name)
	}
	return name
}
