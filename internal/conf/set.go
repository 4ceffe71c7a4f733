package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxDepth bounds the nesting of a set's values inside each other: configuration may come from a
// stranger.
const maxDepth = 16

// Set is an open set of plain structs (or named durations) that JSON knows by name, each with its
// defaults: {"full_jitter": {"base": "50ms", "cap": "20s"}}. A struct with all its defaults may be
// written as the bare name, "adaptive", and a named duration as its value: {"fixed": "250ms"}. If
// a value has a method Validate() error, it is called once the value is read.
type Set[T any] map[string]T

// Marshal writes v by its name, without the fields that have their default. A value whose type is
// not in the set, or that Unmarshal would refuse as nested too deep, is an error.
func (s Set[T]) Marshal(v T) ([]byte, error) { return s.marshal(v, 0) }

func (s Set[T]) marshal(v T, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if reflect.TypeOf(s[name]) != reflect.TypeOf(v) {
			continue
		}
		body, err := s.encode(reflect.ValueOf(v), reflect.ValueOf(s[name]), depth)
		if err != nil {
			return nil, In(name, err)
		}
		return json.Marshal(map[string]json.RawMessage{name: body})
	}
	return nil, fmt.Errorf("%T has no name in JSON", v)
}

// encode writes one value, without the fields of a struct that are equal to those of defaults.
func (s Set[T]) encode(v, defaults reflect.Value, depth int) (json.RawMessage, error) {
	switch {
	case v.Type() == reflect.TypeFor[T]():
		if v.IsNil() {
			return nil, errors.New("nil has no name in JSON")
		}
		return s.marshal(v.Interface().(T), depth+1)
	case IsDuration(v.Type()):
		return json.Marshal(time.Duration(v.Int()).String())
	case v.Kind() != reflect.Struct:
		return json.Marshal(v.Interface())
	}
	out := map[string]json.RawMessage{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || reflect.DeepEqual(v.Field(i).Interface(), defaults.Field(i).Interface()) {
			continue
		}
		raw, err := s.encode(v.Field(i), defaults.Field(i), depth)
		if err != nil {
			return nil, In(Snake(field.Name), err)
		}
		out[Snake(field.Name)] = raw
	}
	return json.Marshal(out)
}

// Unmarshal reads one value by its name. Every mistake is reported, each with its path in JSON's
// spelling.
func (s Set[T]) Unmarshal(data []byte) (T, error) { return s.unmarshal(data, 0) }

var errTooDeep = fmt.Errorf("nested more than %d deep", maxDepth)

func (s Set[T]) unmarshal(data []byte, depth int) (T, error) {
	var zero T
	if depth > maxDepth {
		return zero, errTooDeep
	}
	name, body, err := s.open(data)
	if err != nil {
		return zero, err
	}
	proto, known := s[name]
	if !known {
		return zero, fmt.Errorf("unknown name %s (known: %s)",
			shown(name), strings.Join(slices.Sorted(maps.Keys(s)), ", "))
	}
	dst := reflect.New(reflect.TypeOf(proto)).Elem()
	dst.Set(reflect.ValueOf(proto))
	if err := s.decode(body, dst, depth); err != nil {
		return zero, In(name, err)
	}
	return dst.Interface().(T), nil
}

// open splits "name" or {"name": body}.
func (s Set[T]) open(data []byte) (name string, body []byte, _ error) {
	var bare *string // nil after null
	if json.Unmarshal(data, &bare) == nil && bare != nil {
		return *bare, []byte("{}"), nil
	}
	fields, err := object(data, mustBeName)
	if err != nil {
		return "", nil, err
	}
	if len(fields) != 1 {
		return "", nil, fmt.Errorf("must have one name as its key, not %d", len(fields))
	}
	for key, raw := range fields {
		name, body = key, raw
	}
	return name, body, nil
}

// decode reads one value. Fields of a struct that are absent keep what dst has.
func (s Set[T]) decode(body []byte, dst reflect.Value, depth int) error {
	switch {
	case dst.Type() == reflect.TypeFor[T]():
		v, err := s.unmarshal(body, depth+1)
		if err == nil {
			dst.Set(reflect.ValueOf(v))
		}
		return err
	case IsDuration(dst.Type()):
		d, err := Duration(body)
		if err != nil {
			return err
		}
		dst.SetInt(int64(d))
		return invalid(dst, nil)
	case dst.Kind() != reflect.Struct:
		return plain(body, dst)
	}
	fields, err := Object(body)
	if fields == nil {
		return err
	}
	errs, known := []error{err}, []string(nil)
	for field, value := range dst.Fields() {
		if !field.IsExported() {
			continue
		}
		key := Snake(field.Name)
		known = append(known, key)
		if raw, ok := fields[key]; ok {
			delete(fields, key)
			errs = append(errs, In(key, s.decode(raw, value, depth)))
		}
	}
	unread := errors.Join(errs...)
	return errors.Join(unread, Unknown(fields, known...), invalid(dst, unread))
}

// invalid returns the error of v's own Validate, in JSON's spelling, except for the fields that
// have an error in unread: these were not set.
func invalid(v reflect.Value, unread error) error {
	checked, ok := v.Interface().(interface{ Validate() error })
	if !ok {
		return nil
	}
	failed := map[string]bool{}
	for _, e := range Flatten(unread) {
		failed[e.(*FieldError).Path[0]] = true
	}
	var errs []error
	for _, e := range Flatten(Spelled(checked.Validate())) {
		if path := e.(*FieldError).Path; len(path) == 0 || !failed[path[0]] {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}
