package backoff

import "github.com/evenkeel-go/evenkeel/internal/conf"

// strategies holds a strategy of each kind by its name in JSON.
var strategies = conf.Set[Strategy]{
	"none":                none{},
	"constant":            constant(0),
	"linear":              linear{},
	"exponential":         exponential{},
	"fibonacci":           fibonacci{},
	"full_jitter":         fullJitter{},
	"equal_jitter":        equalJitter{},
	"decorrelated_jitter": decorrelatedJitter{},
	"smooth_decorrelated": smoothDecorrelated{},
	"proportional":        proportional{},
	"capped":              capped{},
	"floored":             floored{},
	"full":                full{},
	"equal":               equal{},
}

// MarshalStrategy writes a strategy of this package as JSON, by its name:
//
//	{"full_jitter": {"base": "50ms", "cap": "20s"}}
//	{"proportional": {"of": {"exponential": {"base": "1s", "cap": "2m0s"}}, "by": 0.2}}
//	{"constant": "250ms"}
//	{"none": {}}
//
// A strategy from elsewhere has no name, and is an error.
func MarshalStrategy(s Strategy) ([]byte, error) { return strategies.Marshal(s) }

// UnmarshalStrategy reads what [MarshalStrategy] writes. It is strict: an unknown name or field, a
// field given twice, a duration without a unit and a value that the constructor would panic at are
// errors, each with its path ("full_jitter.base: must be above 0, not 0s"), all of them joined by
// errors.Join.
func UnmarshalStrategy(data []byte) (Strategy, error) { return strategies.Unmarshal(data) }
