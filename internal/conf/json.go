package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxDepth bounds the nesting of a value of a set inside another: configuration may come from a stranger.
const maxDepth = 16

// Set is an open set of plain structs (or named durations) that JSON knows by name:
// {"full_jitter": {"base": "50ms", "cap": "20s"}}. An empty set of fields may be written as the bare name,
// "adaptive"; a named duration is written as its value, {"fixed": "250ms"}.
type Set[T any] map[string]T

// Marshal writes v by its name. A value whose type is in no set is an error.
func (s Set[T]) Marshal(v T) ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if reflect.TypeOf(s[name]) != reflect.TypeOf(v) {
			continue
		}
		body, err := s.encode(reflect.ValueOf(v))
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string]json.RawMessage{name: body})
	}
	return nil, fmt.Errorf("%T has no name in JSON", v)
}

// Unmarshal reads one value by its name. Every mistake is reported, each with its path in JSON's spelling.
func (s Set[T]) Unmarshal(data []byte) (T, error) { return s.unmarshal(data, 0) }

func (s Set[T]) unmarshal(data []byte, depth int) (T, error) {
	var zero T
	if depth > maxDepth {
		return zero, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	name, body, err := s.open(data)
	if err != nil {
		return zero, err
	}
	proto, known := s[name]
	if !known {
		return zero, fmt.Errorf("unknown name %q (known: %s)", name, strings.Join(slices.Sorted(maps.Keys(s)), ", "))
	}
	dst := reflect.New(reflect.TypeOf(proto)).Elem()
	dst.Set(reflect.ValueOf(proto))
	if err := s.decode(body, dst, depth); err != nil {
		return zero, In(name, err)
	}
	return dst.Interface().(T), nil
}

// open splits "name" or {"name": body}.
func (s Set[T]) open(data []byte) (string, []byte, error) {
	var name string
	if json.Unmarshal(data, &name) == nil {
		return name, []byte("{}"), nil
	}
	fields, err := Object(data)
	if err != nil {
		return "", nil, errors.New(`must be a name, or an object with one name as its key`)
	}
	if len(fields) != 1 {
		return "", nil, fmt.Errorf("must have one name as its key, not %d", len(fields))
	}
	for name, body := range fields {
		return name, body, nil
	}
	panic("unreachable")
}

func (s Set[T]) decode(body []byte, dst reflect.Value, depth int) error {
	if dst.Kind() != reflect.Struct {
		return s.decodeField(body, dst, depth)
	}
	fields, err := Object(body)
	if err != nil {
		return err
	}
	var errs []error
	for i := range dst.NumField() {
		key := Snake(dst.Type().Field(i).Name)
		raw, ok := fields[key]
		if !ok || !dst.Type().Field(i).IsExported() {
			continue
		}
		delete(fields, key)
		errs = append(errs, In(key, s.decodeField(raw, dst.Field(i), depth)))
	}
	return errors.Join(append(errs, Unknown(fields))...)
}

func (s Set[T]) decodeField(raw []byte, dst reflect.Value, depth int) error {
	switch {
	case dst.Type() == reflect.TypeFor[T]():
		v, err := s.unmarshal(raw, depth+1)
		if err == nil {
			dst.Set(reflect.ValueOf(v))
		}
		return err
	case IsDuration(dst.Type()):
		d, err := Duration(raw)
		dst.SetInt(int64(d))
		return err
	}
	if err := json.Unmarshal(raw, dst.Addr().Interface()); err != nil {
		return fmt.Errorf("must be %s", kindName(dst.Kind()))
	}
	return nil
}

func (s Set[T]) encode(v reflect.Value) (json.RawMessage, error) {
	switch {
	case v.Type() == reflect.TypeFor[T]():
		if v.IsNil() {
			return json.RawMessage("null"), nil
		}
		return s.Marshal(v.Interface().(T))
	case IsDuration(v.Type()):
		return json.Marshal(time.Duration(v.Int()).String())
	case v.Kind() != reflect.Struct:
		return json.Marshal(v.Interface())
	}
	out := map[string]json.RawMessage{}
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() || v.Field(i).IsZero() {
			continue
		}
		raw, err := s.encode(v.Field(i))
		if err != nil {
			return nil, In(Snake(v.Type().Field(i).Name), err)
		}
		out[Snake(v.Type().Field(i).Name)] = raw
	}
	return json.Marshal(out)
}

// Object reads one JSON object, refusing a key that comes twice (encoding/json would keep the last).
func Object(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("must be a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errors.New("must be a JSON object")
		}
		key, _ := t.(string)
		if _, twice := fields[key]; twice {
			return nil, &FieldError{Path: []string{key}, Msg: "given twice"}
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, errors.New("must be a JSON object")
		}
		fields[key] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("must be a JSON object")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("must be one JSON object and nothing after it")
	}
	return fields, nil
}

// Unknown reports each field that nobody took.
func Unknown(fields map[string]json.RawMessage) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		errs = append(errs, Errorf(name, "unknown field"))
	}
	return errors.Join(errs...)
}

// Duration reads "250ms". A bare number is refused: nobody can tell its unit.
func Duration(raw []byte) (time.Duration, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, errors.New(`must be a duration like "250ms"`)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New(`must be a duration like "250ms"`)
	}
	return d, nil
}

// IsDuration reports whether t is time.Duration or a type made of it.
func IsDuration(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Duration]() ||
		t.Kind() == reflect.Int64 && t.PkgPath() != "" && t.ConvertibleTo(reflect.TypeFor[time.Duration]())
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64, reflect.Float32:
		return "a number"
	case reflect.String:
		return "a string"
	}
	return "a whole number"
}
