package grpcx

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// ServiceConfig writes the policies as a gRPC service config, for clients that do not use this
// library. Policies from FromServiceConfig are written as they were read, without the fields that
// are not about retries (a loadBalancingConfig, message sizes). A retry.Policy is written as
// closely as gRPC allows: UNAVAILABLE as its one code, MaxAttempts at most 5, the curve of its
// Backoff under gRPC's own jitter, and the default budget as retryThrottling of 10 tokens and a
// ratio of 0.1. The error names everything that gRPC has no equivalent for: an attempt timeout,
// MaxElapsed, a HintScope, hedging by a percentile, another budget or curve, budgets that differ.
// A hedgingPolicy applies to every method of its name, also to those that are not declared
// idempotent: in gRPC it is that declaration.
func (ps *Policies) ServiceConfig() (string, error) {
	var (
		out  serviceConfig
		errs []error
		set  bool // out.RetryThrottling has been set, perhaps to nil
	)
	add := func(b budget.Spec) error {
		if b == nil {
			return nil
		}
		throttling, err := exportBudget(b)
		if err != nil {
			return err
		}
		if set && !reflect.DeepEqual(out.RetryThrottling, throttling) {
			return conf.Errorf("Budget", "must be the same for all, gRPC has one a target")
		}
		out.RetryThrottling, set = throttling, true
		return nil
	}
	errs = append(errs, add(ps.throttle))
	for _, e := range ps.entries {
		if e.policy != nil {
			name := strings.Trim(string(e.Names[0]), "/")
			own, err := e.convert(e.policy.Config())
			errs = append(errs, conf.In(strconv.Quote(name), errors.Join(err, add(own))))
		}
		out.MethodConfig = append(out.MethodConfig, e)
	}
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("grpcx: no service config for these policies: %w", err)
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// serviceConfig is the JSON of a service config.
type serviceConfig struct {
	MethodConfig    []entry         `json:"methodConfig,omitempty"`
	RetryThrottling *throttlingJSON `json:"retryThrottling,omitempty"`
}

type throttlingJSON struct {
	MaxTokens  float64 `json:"maxTokens"`
	TokenRatio float64 `json:"tokenRatio"`
}

// MarshalJSON writes the name's service and method.
func (n methodName) MarshalJSON() ([]byte, error) {
	var parts struct {
		Service string `json:"service,omitempty"`
		Method  string `json:"method,omitempty"`
	}
	parts.Service, parts.Method, _ = strings.Cut(strings.TrimPrefix(string(n), "/"), "/")
	return json.Marshal(parts)
}

// convert sets the entry's retryPolicy or hedgingPolicy from the Config of the user's policy, and
// returns the budget to write.
func (e *entry) convert(c retry.Config) (budget.Spec, error) {
	n := min(c.MaxAttempts, defaultMaxAttempts)
	if c.MaxAttempts == retry.Unlimited {
		n = defaultMaxAttempts
	}
	errs := []error{
		conf.Check(c.AttemptTimeout == nil, "AttemptTimeout", "gRPC has none"),
		conf.Check(c.MaxElapsed == 0 || n == 1, "MaxElapsed", "gRPC has none"),
		conf.Check(c.HintScope != "destination", "HintScope", "gRPC has only that of the call"),
	}
	if n == 1 {
		if throttle, ok := c.Budget.(budget.ClientThrottle); ok { // the one that refuses first attempts
			_, err := exportBudget(throttle)
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
	codes := newCodeSet(codes.Unavailable)
	switch hedge := c.Hedge.(type) {
	case nil:
		initial, top, err := curve(c.Backoff)
		errs = append(errs, conf.In("Backoff", err))
		e.Retry = &retrySpec{MaxAttempts: n, Initial: seconds(initial), Max: seconds(top), Multiplier: 2, Codes: codes}
	case timeout.Fixed:
		e.Hedge = &hedgeSpec{n, seconds(hedge), codes}
	default:
		errs = append(errs, conf.Errorf("Hedge", "gRPC has only a fixed delay, not %T", hedge))
	}
	return c.Budget, errors.Join(errs...)
}

// curve returns the exponential curve of a strategy, without its jitter.
func curve(s backoff.Strategy) (initial, top time.Duration, _ error) {
	const shortest = time.Millisecond // gRPC has no backoff of 0
	text, err := backoff.MarshalStrategy(s)
	if err != nil {
		return 0, 0, fmt.Errorf("gRPC has only exponential backoff, not %T", s)
	}
	var named map[string]json.RawMessage
	_ = json.Unmarshal(text, &named)
	for name, body := range named {
		var v struct {
			Base, Cap string
			Of        json.RawMessage
		}
		_ = json.Unmarshal(body, &v)
		base, err1 := time.ParseDuration(v.Base)
		top, err2 := time.ParseDuration(v.Cap)
		switch name {
		case "none":
			return shortest, shortest, nil
		case "exponential", "full_jitter", "equal_jitter":
			if err1 == nil && err2 == nil {
				return base, top, nil
			}
		case "proportional", "full", "equal":
			if of, err := backoff.UnmarshalStrategy(v.Of); err == nil {
				return curve(of)
			}
		}
		return 0, 0, fmt.Errorf("gRPC has only exponential backoff, not %s", name)
	}
	return 0, 0, errors.New("gRPC has only exponential backoff")
}

// exportBudget returns a budget as retryThrottling, nil if it is unlimited.
func exportBudget(s budget.Spec) (*throttlingJSON, error) {
	switch b := s.(type) {
	case nil, budget.Unlimited:
		return nil, nil
	case budget.Adaptive:
		if b != (budget.Adaptive{}) {
			return nil, conf.Errorf("Budget", "gRPC has nothing for the fields of %T, only its own retryThrottling", s)
		}
		return &throttlingJSON{10, 0.1}, nil
	case budget.GRPC:
		return &throttlingJSON{cmp.Or(b.MaxTokens, 10), cmp.Or(b.TokenRatio, 0.1)}, nil
	}
	return nil, conf.Errorf("Budget", "gRPC has only its own retryThrottling, not %T", s)
}

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// MarshalJSON writes the names of the codes.
func (s codeSet) MarshalJSON() ([]byte, error) {
	var names []string
	for i, name := range codeNames {
		if s.has(codes.Code(i)) {
			names = append(names, name)
		}
	}
	return json.Marshal(names)
}
