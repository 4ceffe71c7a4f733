package budget

import (
	"fmt"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

var specs = conf.Set[Spec]{
	"adaptive":        Adaptive{},
	"token_bucket":    TokenBucket{},
	"grpc":            GRPC{},
	"aws":             AWS{},
	"finagle":         Finagle{},
	"concurrency":     Concurrency{},
	"ratio":           Ratio{},
	"client_throttle": ClientThrottle{},
	"unlimited":       Unlimited{},
}

// MarshalSpec writes a Spec of this package by its name, fields in snake case and only those that
// are not zero: {"finagle":{"ttl":"5s"}}. Shared, and a Spec from elsewhere, is an error: it has
// no name.
func MarshalSpec(s Spec) ([]byte, error) {
	if s == nil {
		return nil, fmt.Errorf("no budget to write")
	}
	return specs.Marshal(s)
}

// UnmarshalSpec reads what MarshalSpec writes, or a bare name: "adaptive". Unknown names and
// fields, and values out of their range, are errors, all reported at once, each with its path.
func UnmarshalSpec(data []byte) (Spec, error) {
	return specs.Unmarshal(data)
}
