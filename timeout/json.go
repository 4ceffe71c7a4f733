package timeout

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// specs holds each Spec by its name in JSON.
var specs = conf.Set[Spec]{
	"fixed":      Fixed(0),
	"percentile": Percentile{},
}

// MarshalSpec writes a Spec of this package as JSON, by its name, without the fields that are
// zero:
//
//	{"fixed": "250ms"}
//	{"percentile": {"rate": 0.01, "floor": "5ms", "ceiling": "2s", "padding": 1, "window": "30s", "warm_up": 500, "growth": 8}}
//
// A Spec from elsewhere has no name, and is an error.
func MarshalSpec(s Spec) ([]byte, error) {
	if s == nil {
		return nil, errors.New("no timeout to write")
	}
	return specs.Marshal(s)
}

// UnmarshalSpec reads what [MarshalSpec] writes, and two short forms: a duration, "250ms", is a
// [Fixed], and the bare name "percentile" is one with all its defaults. It is strict: an unknown
// name or field, a field given twice, a duration without a unit and a value out of its range are
// errors, each with its path ("percentile.rate: must be 1e-05 to 0.5, not 7"), all of them joined
// by errors.Join.
func UnmarshalSpec(data []byte) (Spec, error) {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(bytes.TrimSpace(data)) // a number, which lacks a unit, or an object
	}
	if text != "" && strings.ContainsRune("+-.0123456789", rune(text[0])) {
		return unmarshalFixed(data)
	}
	return specs.Unmarshal(data)
}

func unmarshalFixed(data []byte) (Spec, error) {
	d, err := conf.Duration(data)
	if err != nil {
		return nil, err
	}
	if err := Fixed(d).Validate(); err != nil {
		return nil, err
	}
	return Fixed(d), nil
}
