package grpcx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// fields is a JSON object that is being read.
type fields struct {
	left    map[string]json.RawMessage // fields not yet read
	had     map[string]bool            // fields that were there, by name
	errs    []error                    // of this object
	unknown *[]string                  // paths of the fields that nothing reads, in the whole text
	path    string                     // of the object, with a dot at the end
	at      string                     // path in the object of what is being read
}

// readObject reads the fields of an object at path. A null is an object without fields, as in
// gRPC-Go.
func readObject(raw json.RawMessage, path string, unknown *[]string, read func(*fields) error) error {
	if isNull(raw) {
		raw = json.RawMessage("{}")
	}
	left, err := conf.Object(raw)
	if err != nil {
		return err
	}
	return read(&fields{left: left, had: map[string]bool{}, unknown: unknown, path: path})
}

// inner returns a function that reads an object inside this one. read reads that object's fields.
func (o *fields) inner(read func(*fields) error) func(json.RawMessage) error {
	return func(raw json.RawMessage) error { return readObject(raw, o.path+o.at+".", o.unknown, read) }
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// find removes a field and returns its value. Names match in any case, as in encoding/json, which
// gRPC-Go uses. A field that is null counts as absent.
func (o *fields) find(name string) (raw json.RawMessage, ok bool) {
	for key, value := range o.left {
		if !strings.EqualFold(key, name) {
			continue
		}
		if ok {
			o.errs = append(o.errs, conf.Errorf(name, "given twice"))
		}
		raw, ok = value, true
		delete(o.left, key)
	}
	return raw, ok && !isNull(raw)
}

// optional reads a field if it is there.
func (o *fields) optional(name string, read func(json.RawMessage) error) {
	raw, ok := o.find(name)
	if !ok {
		return
	}
	o.had[name], o.at = true, name
	if err := read(raw); err != nil {
		o.errs = append(o.errs, conf.In(name, err))
	}
}

// required reads a field as optional does, and reports an error if it is absent.
func (o *fields) required(name string, read func(json.RawMessage) error) {
	o.optional(name, read)
	if !o.had[name] {
		o.errs = append(o.errs, conf.Errorf(name, "must be given"))
	}
}

// list reads each element of a field that is a list.
func (o *fields) list(name string, read func(json.RawMessage) error) {
	var elements []json.RawMessage
	o.optional(name, func(raw json.RawMessage) error {
		if json.Unmarshal(raw, &elements) != nil {
			return errors.New("must be a list")
		}
		return nil
	})
	wrong := 0
	for i, e := range elements {
		o.at = fmt.Sprintf("%s[%d]", name, i)
		err := read(e)
		if err == nil {
			continue
		}
		if wrong++; wrong > conf.MostErrors {
			o.errs = append(o.errs, conf.Errorf(name, "has more that is wrong"))
			return
		}
		o.errs = append(o.errs, conf.In(o.at, err))
	}
}

// positive reads a number above 0 that must be there.
func (o *fields) positive(name string, into *float64) {
	o.required(name, func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil || !(*into > 0) {
			*into = 0
			return errors.New("must be a number above 0")
		}
		return nil
	})
}

// skip ignores fields that this package does not use.
func (o *fields) skip(names ...string) {
	for _, name := range names {
		o.find(name)
	}
}

// end adds the fields that nothing has read to the unknown ones, and returns the object's
// mistakes. The number of both is bounded.
func (o *fields) end() error {
	for _, err := range conf.Flatten(conf.Unknown(o.left)) {
		f, ok := errors.AsType[*conf.FieldError](err)
		if ok && len(*o.unknown) < conf.MostErrors {
			*o.unknown = append(*o.unknown, o.path+strings.Join(f.Path, "."))
		}
	}
	return errors.Join(o.errs...)
}

// seconds is a time.Duration in proto JSON: "0.25s".
type seconds time.Duration

// MarshalJSON writes a duration.
func (d seconds) MarshalJSON() ([]byte, error) {
	text := fmt.Sprintf("%d.%09d", time.Duration(d)/time.Second, time.Duration(d)%time.Second)
	return json.Marshal(strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "s")
}

// parseSeconds reads a duration. One that is too long for a time.Duration becomes the longest.
func parseSeconds(raw json.RawMessage) (seconds, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0, errors.New(`must be a duration like "0.25s"`)
	}
	number, ok := strings.CutSuffix(text, "s")
	if !ok || strings.Trim(number, "-0123456789.") != "" {
		return 0, errors.New(`must be a duration like "0.25s"`)
	}
	d, err := time.ParseDuration(text)
	if err == nil {
		return seconds(d), nil
	}
	const most = 315_576_000_000 // of google.protobuf.Duration
	whole, err := strconv.ParseFloat(number, 64)
	if err != nil || math.Abs(whole) > most+1 {
		return 0, errors.New(`must be a duration like "0.25s", and at most 10,000 years`)
	}
	if whole < 0 {
		return math.MinInt64, nil
	}
	return math.MaxInt64, nil
}
