package grpcx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	// maxConfig bounds the text of a service config: it may come from DNS.
	maxConfig = 1 << 20
	// mostAttempts is what gRFC A6 makes of a greater maxAttempts.
	mostAttempts = 5
)

// FromServiceConfig reads the policies of a gRPC service config
// (https://github.com/grpc/grpc/blob/master/doc/service_config.md): methodConfig with its names (a method, a service,
// or {} for all others), timeout, waitForReady, retryPolicy and hedgingPolicy, and retryThrottling, which becomes one
// budget.GRPC a target for all its methods. Without retryThrottling they share the default budget.
//
// As in gRFC A6, a maxAttempts above 5 means 5, and a method with neither policy is sent once. The codes listed are
// the word of whoever wrote the config that the method may be sent twice after them. Fields that are gRPC's and none
// of this package's concern (load balancing, health checks, message sizes) are passed over.
//
// The error tells every mistake with its path, unknown fields included. opts are for each policy: observers, say.
func FromServiceConfig(config string, opts ...retry.Option) (*Policies, error) {
	ps := &Policies{byName: map[string]int{}, targets: map[string]*targetPolicies{}, opts: opts}
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
	o, bad := object([]byte(config))
	if bad != nil {
		return errors.Join(bad, err)
	}
	o.errs = append(o.errs, err)
	o.skip("loadBalancingPolicy", "loadBalancingConfig", "healthCheckConfig")
	o.take("retryThrottling", ps.readThrottling)
	o.list("methodConfig", ps.readMethod)
	return o.end()
}

func (ps *Policies) readThrottling(raw json.RawMessage) error {
	o, err := object(raw)
	if err != nil {
		return err
	}
	var g budget.GRPC
	o.positive("maxTokens", &g.MaxTokens)
	o.positive("tokenRatio", &g.TokenRatio)
	for _, e := range conf.Flatten(g.Validate()) {
		o.errs = append(o.errs, lowerFirst(e))
	}
	ps.throttle = g
	return o.end()
}

// lowerFirst spells a Go field's name as proto JSON does.
func lowerFirst(err error) error {
	var f *conf.FieldError
	if !errors.As(err, &f) || len(f.Path) == 0 {
		return err
	}
	path := append([]string(nil), f.Path...)
	path[0] = strings.ToLower(path[0][:1]) + path[0][1:]
	return &conf.FieldError{Path: path, Msg: f.Msg}
}

func (ps *Policies) readMethod(raw json.RawMessage) error {
	o, err := object(raw)
	if err != nil {
		return err
	}
	var e entry
	o.skip("maxRequestMessageBytes", "maxResponseMessageBytes")
	o.list("name", func(raw json.RawMessage) error {
		key, err := readName(raw)
		if err != nil {
			return err
		}
		if _, twice := ps.byName[key]; twice {
			return errors.New("named twice")
		}
		ps.byName[key] = len(ps.entries)
		e.names = append(e.names, key)
		return nil
	})
	o.take("timeout", func(raw json.RawMessage) (err error) {
		e.timeout, err = protoDuration(raw)
		if err == nil && e.timeout <= 0 {
			err = errors.New("must be above 0")
		}
		return err
	})
	o.take("waitForReady", func(raw json.RawMessage) error {
		if json.Unmarshal(raw, &e.wait) != nil || e.wait == nil {
			return errors.New("must be true or false")
		}
		return nil
	})
	o.take("retryPolicy", func(raw json.RawMessage) (err error) { e.retry, err = readRetry(raw); return err })
	o.take("hedgingPolicy", func(raw json.RawMessage) (err error) { e.hedge, err = readHedge(raw); return err })
	if o.had["retryPolicy"] && o.had["hedgingPolicy"] {
		o.errs = append(o.errs, conf.Errorf("hedgingPolicy", "must not be beside a retryPolicy"))
	}
	ps.entries = append(ps.entries, e)
	return o.end()
}

func readName(raw json.RawMessage) (key string, _ error) {
	o, err := object(raw)
	if err != nil {
		return "", err
	}
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
	o.take("service", text(&service))
	o.take("method", text(&method))
	if service == "" && method != "" {
		o.errs = append(o.errs, conf.Errorf("service", "must not be empty where there is a method"))
	}
	if service == "" {
		return "", o.end()
	}
	return "/" + service + "/" + method, o.end()
}

func readRetry(raw json.RawMessage) (*retrySpec, error) {
	o, err := object(raw)
	if err != nil {
		return nil, err
	}
	r := new(retrySpec)
	o.need("maxAttempts", attempts(&r.maxAttempts))
	o.need("initialBackoff", above0(&r.initial))
	o.need("maxBackoff", above0(&r.max))
	o.positive("backoffMultiplier", &r.multiplier)
	o.need("retryableStatusCodes", codeList(&r.codes))
	if r.codes == 0 && o.had["retryableStatusCodes"] && !o.bad["retryableStatusCodes"] {
		o.errs = append(o.errs, conf.Errorf("retryableStatusCodes", "must not be empty"))
	}
	return r, o.end()
}

func readHedge(raw json.RawMessage) (*hedgeSpec, error) {
	o, err := object(raw)
	if err != nil {
		return nil, err
	}
	h := new(hedgeSpec)
	o.need("maxAttempts", attempts(&h.maxAttempts))
	o.take("hedgingDelay", func(raw json.RawMessage) (err error) {
		h.delay, err = protoDuration(raw)
		if err == nil && h.delay < 0 {
			err = errors.New("must not be negative")
		}
		return err
	})
	o.take("nonFatalStatusCodes", codeList(&h.nonFatal))
	return h, o.end()
}

func attempts(into *int) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil || *into < 2 {
			return errors.New("must be a whole number of at least 2")
		}
		*into = min(*into, mostAttempts)
		return nil
	}
}

func above0(into *time.Duration) func(json.RawMessage) error {
	return func(raw json.RawMessage) (err error) {
		*into, err = protoDuration(raw)
		if err == nil && *into <= 0 {
			err = errors.New("must be above 0")
		}
		return err
	}
}

func codeList(into *codeSet) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var names []json.RawMessage
		if json.Unmarshal(raw, &names) != nil || names == nil {
			return errors.New("must be a list of status codes")
		}
		var wrong []string
		for _, name := range names {
			var c codes.Code
			if c.UnmarshalJSON(name) != nil || c == codes.OK || string(name) == "null" {
				wrong = append(wrong, fmt.Sprintf("%.40s", name))
				continue
			}
			*into |= newCodeSet(c)
		}
		if len(wrong) > 0 {
			return fmt.Errorf("must be names of status codes, not %s", strings.Join(wrong[:min(len(wrong), conf.MostErrors)], ", "))
		}
		return nil
	}
}

// protoDuration reads a duration as proto JSON writes it: seconds, with a fraction or not, and an s.
func protoDuration(raw json.RawMessage) (time.Duration, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0, errors.New(`must be a duration like "0.25s"`)
	}
	seconds, ok := strings.CutSuffix(text, "s")
	d, err := time.ParseDuration(text)
	if !ok || err != nil || strings.Trim(seconds, "-0123456789.") != "" {
		return 0, errors.New(`must be a duration like "0.25s", and less than 290 years`)
	}
	return d, nil
}

// fields is a JSON object that is being read.
type fields struct {
	left map[string]json.RawMessage
	had  map[string]bool
	bad  map[string]bool
	errs []error
}

func object(raw json.RawMessage) (*fields, error) {
	left, err := conf.Object(raw)
	return &fields{left: left, had: map[string]bool{}, bad: map[string]bool{}}, err
}

// take reads a field if it is there.
func (o *fields) take(name string, read func(json.RawMessage) error) {
	raw, ok := o.left[name]
	if !ok {
		return
	}
	delete(o.left, name)
	o.had[name] = true
	if err := read(raw); err != nil {
		o.bad[name] = true
		o.errs = append(o.errs, conf.In(name, err))
	}
}

// need is take for a field that must be there.
func (o *fields) need(name string, read func(json.RawMessage) error) {
	o.take(name, read)
	if !o.had[name] {
		o.errs = append(o.errs, conf.Errorf(name, "must be given"))
	}
}

// list reads each element of a field that is a list.
func (o *fields) list(name string, read func(json.RawMessage) error) {
	var elements []json.RawMessage
	o.take(name, func(raw json.RawMessage) error {
		if json.Unmarshal(raw, &elements) != nil {
			return errors.New("must be a list")
		}
		return nil
	})
	wrong := 0
	for i, e := range elements {
		err := read(e)
		if err == nil {
			continue
		}
		if wrong++; wrong > conf.MostErrors {
			o.errs = append(o.errs, conf.Errorf(name, "has more that is wrong"))
			return
		}
		o.errs = append(o.errs, conf.In(fmt.Sprintf("%s[%d]", name, i), err))
	}
}

// positive reads a number above 0 that must be there.
func (o *fields) positive(name string, into *float64) {
	o.need(name, func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil || !(*into > 0) {
			*into = 0
			return errors.New("must be a number above 0")
		}
		return nil
	})
}

// skip passes over fields that are somebody else's.
func (o *fields) skip(names ...string) {
	for _, name := range names {
		delete(o.left, name)
	}
}

func (o *fields) end() error {
	return errors.Join(errors.Join(o.errs...), conf.Unknown(o.left))
}
