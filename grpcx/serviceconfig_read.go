package grpcx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	// maxConfig bounds the text of a service config: it may come from DNS.
	maxConfig = 1 << 20
	// defaultMaxAttempts is the bound of maxAttempts in gRFC A6, unless grpc.WithMaxCallAttempts
	// sets another.
	defaultMaxAttempts = 5
)

// FromServiceConfig reads the policies of a gRPC service config
// (https://github.com/grpc/grpc/blob/master/doc/service_config.md): methodConfig with its names
// (a method, a service, or {} for all others), timeout, waitForReady, retryPolicy and
// hedgingPolicy, and retryThrottling, which becomes one budget.GRPC per target for its methods.
// Without retryThrottling they share the default budget, see [Policies.WithBudget].
//
// As in gRPC-Go, a maxAttempts above 5 means 5, or the grpc.WithMaxCallAttempts of the
// first connection to a target, and a method with neither policy is sent once. To list a code is
// to declare that the method may be sent again after it. A retryPolicy's perAttemptRecvTimeout is
// the AttemptTimeout, and declares the same of a timeout.
//
// Names of fields are read in any case and null counts as absent, as in gRPC-Go. Three decimals
// of maxTokens and tokenRatio count (gRFC A6). Fields of gRPC that have nothing to do with
// retries (load balancing, health checks, message sizes) are ignored, and so are unknown ones:
// [Policies.UnknownFields] lists these.
//
// The error lists every mistake with its path. opts apply to each policy, such as observers.
func FromServiceConfig(config string, opts ...retry.Option) (*Policies, error) {
	ps := newPolicies(opts)
	if err := ps.read(config); err != nil {
		return nil, fmt.Errorf("grpcx: bad service config: %w", err)
	}
	return ps, nil
}

func (ps *Policies) read(config string) error {
	if len(config) > maxConfig {
		return fmt.Errorf("must be at most %d bytes, not %d", maxConfig, len(config))
	}
	_, err := retry.New(retry.Config{}, ps.opts...)
	return errors.Join(err, readObject([]byte(config), "", &ps.unknown, func(o *fields) error {
		o.skip("loadBalancingPolicy", "loadBalancingConfig", "healthCheckConfig")
		o.optional("retryThrottling", o.inner(ps.readThrottling))
		o.list("methodConfig", o.inner(ps.readMethod))
		return o.end()
	}))
}

func (ps *Policies) readThrottling(o *fields) error {
	var g budget.GRPC
	o.positive("maxTokens", &g.MaxTokens)
	o.positive("tokenRatio", &g.TokenRatio)
	g.MaxTokens, g.TokenRatio = truncate(g.MaxTokens), min(truncate(g.TokenRatio), maxTokenRatio)
	for _, e := range conf.Flatten(g.Validate()) {
		o.errs = append(o.errs, lowerFirst(e))
	}
	ps.throttle = g
	return o.end()
}

// maxTokenRatio is the greatest tokenRatio that makes a difference: no budget has more tokens.
const maxTokenRatio = 1000

// truncate drops the decimals beyond the third, which do not count (gRFC A6). A number above 0
// stays above 0.
func truncate(v float64) float64 {
	if v <= 0 || v > maxTokenRatio {
		return v
	}
	const milli, noise = 1000, 1e-6 // 0.29 * 1000 is a little less than 290
	return max(math.Floor(v*milli+noise), 1) / milli
}

// lowerFirst spells a Go field's name as proto JSON does.
func lowerFirst(err error) error {
	f, ok := errors.AsType[*conf.FieldError](err)
	if !ok || len(f.Path) == 0 {
		return err
	}
	path := slices.Clone(f.Path)
	path[0] = strings.ToLower(path[0][:1]) + path[0][1:]
	return &conf.FieldError{Path: path, Msg: f.Msg}
}

func (ps *Policies) readMethod(o *fields) error {
	var e entry
	o.skip("maxRequestMessageBytes", "maxResponseMessageBytes")
	o.list("name", o.inner(func(n *fields) error {
		key, err := readName(n)
		if err != nil {
			return err
		}
		if _, twice := ps.byName[key]; twice {
			return errors.New("named twice")
		}
		ps.byName[key] = len(ps.entries)
		e.Names = append(e.Names, methodName(key))
		return nil
	}))
	o.optional("timeout", above0(&e.Timeout))
	o.optional("waitForReady", func(raw json.RawMessage) error {
		if json.Unmarshal(raw, &e.Wait) != nil || e.Wait == nil {
			return errors.New("must be true or false")
		}
		return nil
	})
	o.optional("retryPolicy", o.inner(func(r *fields) (err error) { e.Retry, err = readRetry(r); return err }))
	o.optional("hedgingPolicy", o.inner(func(h *fields) (err error) { e.Hedge, err = readHedge(h); return err }))
	if o.had["retryPolicy"] && o.had["hedgingPolicy"] {
		o.errs = append(o.errs, conf.Errorf("hedgingPolicy", "must not be beside a retryPolicy"))
	}
	ps.entries = append(ps.entries, e)
	return o.end()
}

func readName(o *fields) (key string, _ error) {
	var service, method string
	text := func(into *string) func(json.RawMessage) error {
		return func(raw json.RawMessage) error {
			if json.Unmarshal(raw, into) != nil {
				return errors.New("must be a string")
			}
			if strings.Contains(*into, "/") {
				return errors.New("must not have a /")
			}
			return nil
		}
	}
	o.optional("service", text(&service))
	o.optional("method", text(&method))
	if service == "" && method != "" {
		o.errs = append(o.errs, conf.Errorf("service", "must not be empty where there is a method"))
	}
	if service == "" {
		return "", o.end()
	}
	return "/" + service + "/" + method, o.end()
}

func readRetry(o *fields) (*retrySpec, error) {
	r := new(retrySpec)
	o.required("maxAttempts", attempts(&r.MaxAttempts))
	o.required("initialBackoff", above0(&r.Initial))
	o.required("maxBackoff", above0(&r.Max))
	o.positive("backoffMultiplier", &r.Multiplier)
	o.optional("perAttemptRecvTimeout", above0(&r.PerAttempt))
	o.required("retryableStatusCodes", codeList(&r.Codes, 1))
	return r, o.end()
}

func readHedge(o *fields) (*hedgeSpec, error) {
	h := new(hedgeSpec)
	o.required("maxAttempts", attempts(&h.MaxAttempts))
	o.optional("hedgingDelay", func(raw json.RawMessage) (err error) {
		h.Delay, err = parseSeconds(raw)
		if err == nil && h.Delay < 0 {
			err = errors.New("must not be negative")
		}
		return err
	})
	o.optional("nonFatalStatusCodes", codeList(&h.NonFatal, 0))
	return h, o.end()
}

func attempts(into *int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil || *into < 2 {
			return errors.New("must be a whole number of at least 2")
		}
		return nil
	}
}

func above0(into *seconds) func(json.RawMessage) error {
	return func(raw json.RawMessage) (err error) {
		*into, err = parseSeconds(raw)
		if err == nil && *into <= 0 {
			err = errors.New("must be above 0")
		}
		return err
	}
}

// codeList reads a list of at least so many status codes.
func codeList(into *codeSet, least int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var names []json.RawMessage
		if json.Unmarshal(raw, &names) != nil || names == nil {
			return errors.New("must be a list of status codes")
		}
		if len(names) < least {
			return errors.New("must not be empty")
		}
		var wrong []string
		for _, name := range names {
			c := codes.OK // for null; gRPC-Go accepts null and OK, which have no effect
			if !isNull(name) && c.UnmarshalJSON(bytes.ToUpper(name)) != nil {
				wrong = append(wrong, fmt.Sprintf("%.40s", name))
				continue
			}
			*into |= newCodeSet(c)
		}
		if len(wrong) > 0 {
			wrong = wrong[:min(len(wrong), conf.MostErrors)]
			return fmt.Errorf("must be names of status codes, not %s", strings.Join(wrong, ", "))
		}
		return nil
	}
}
