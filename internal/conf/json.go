package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Object reads one JSON object. A key that comes twice is an error (encoding/json would keep the
// last); the fields are then returned as well, for an error that names the other mistakes too.
func Object(data []byte) (map[string]json.RawMessage, error) { return object(data, mustBeObject) }

// object reads an object. what states what data must be, for the error.
func object(data []byte, what string) (map[string]json.RawMessage, error) {
	if err := syntax(data, what); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data)) // syntax has found every mistake
	if t, _ := dec.Token(); t != json.Delim('{') {
		return nil, errors.New(what)
	}
	fields, twice := map[string]json.RawMessage{}, map[string]error{}
	for dec.More() {
		t, _ := dec.Token()
		key, _ := t.(string)
		if _, given := fields[key]; given && len(twice) < MostErrors {
			twice[key] = Errorf(shown(key), "given twice")
		}
		var raw json.RawMessage
		_ = dec.Decode(&raw)
		fields[key] = raw
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(twice)) {
		errs = append(errs, twice[key])
	}
	return fields, errors.Join(errs...)
}

// MostErrors bounds the mistakes that are named of one list or object: for a megabyte of text
// that is wrong all over, the error would have twenty.
const MostErrors = 64

// Unknown reports each field that was not read. known lists the names that there are: the error
// suggests one that is close.
func Unknown(fields map[string]json.RawMessage, known ...string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(errs) == MostErrors {
			errs = append(errs, fmt.Errorf("and %d more unknown fields", len(fields)-MostErrors))
			break
		}
		if meant := Nearest(name, known); meant != "" {
			errs = append(errs, Errorf(shown(name), "unknown field (did you mean %s?)", meant))
			continue
		}
		errs = append(errs, Errorf(shown(name), "unknown field"))
	}
	return errors.Join(errs...)
}

// Duration reads "250ms". A bare number is refused: it has no unit.
func Duration(raw []byte) (time.Duration, error) {
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	if d, err := time.ParseDuration(text); isText && err == nil {
		return d, nil
	}
	if !isText {
		text = string(bytes.TrimSpace(raw))
	}
	if _, err := time.ParseDuration(text + "s"); err == nil && len(text) < 20 {
		return 0, fmt.Errorf(`must be a duration like "250ms", with a unit: %q for seconds`, text+"s")
	}
	return 0, errors.New(`must be a duration like "250ms"`)
}

// IsDuration reports whether t is time.Duration or any named int64: reflection does not show
// which of these are made of time.Duration. So configuration has no named int64 that is something
// else.
func IsDuration(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Duration]() ||
		t.Kind() == reflect.Int64 && t.PkgPath() != "" && t.ConvertibleTo(reflect.TypeFor[time.Duration]())
}

// plain reads a number, a string or a bool. It refuses null, which encoding/json would ignore.
func plain(raw []byte, dst reflect.Value) error {
	null := bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
	if null || json.Unmarshal(raw, dst.Addr().Interface()) != nil {
		return fmt.Errorf("must be %s", kindName(dst.Kind()))
	}
	return nil
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64, reflect.Float32:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0 up"
	}
	return "a JSON value for a Go " + strings.ToLower(k.String())
}
