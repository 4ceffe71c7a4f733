package budget

import (
	"reflect"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Shared returns a Spec whose every New is b itself: all destinations, and all policies that use
// it, spend from one budget. Two calls with the same b give equal Specs. It has no name in JSON.
func Shared(b Budget) Spec { return shared{b} }

type shared struct{ Budget Budget }

// Validate reports a budget that cannot work: nil, or one that no Spec has made.
func (s shared) Validate() error {
	if !usable(reflect.ValueOf(s.Budget)) {
		return conf.Errorf("Shared", "must have a budget that a Spec has made, not a nil or zero %T", s.Budget)
	}
	return nil
}

// usable reports whether v may be a budget that works: not nil, and if it is one of this
// package's, not zero.
func usable(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Chan, reflect.Func, reflect.Map, reflect.Slice:
		return !v.IsNil()
	case reflect.Pointer:
		ours := v.Type().Elem().PkgPath() == reflect.TypeFor[shared]().PkgPath()
		return !v.IsNil() && !(ours && v.Elem().IsZero())
	}
	return true
}

func (s shared) New() Budget { return s.Budget }
