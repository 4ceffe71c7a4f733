package retry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// maxJSON bounds a Config in JSON, in bytes.
const maxJSON = 64 << 10

// MarshalJSON writes the fields that are set: durations as "250ms", strategies, budgets and
// timeouts by name.
func (c Config) MarshalJSON() ([]byte, error) {
	out := map[string]json.RawMessage{}
	var errs []error
	put := func(field string, set bool, write func() ([]byte, error)) {
		if !set {
			return
		}
		raw, err := write()
		errs = append(errs, conf.In(conf.Snake(field), err))
		out[conf.Snake(field)] = raw
	}
	put("MaxAttempts", c.MaxAttempts != 0, func() ([]byte, error) {
		if c.MaxAttempts == Unlimited {
			return []byte(`"unlimited"`), nil
		}
		return json.Marshal(c.MaxAttempts)
	})
	put("Backoff", c.Backoff != nil, func() ([]byte, error) { return backoff.MarshalStrategy(c.Backoff) })
	put("ThrottledBackoff", c.ThrottledBackoff != nil, func() ([]byte, error) { return backoff.MarshalStrategy(c.ThrottledBackoff) })
	put("Budget", c.Budget != nil, func() ([]byte, error) { return budget.MarshalSpec(c.Budget) })
	put("AttemptTimeout", c.AttemptTimeout != nil, func() ([]byte, error) { return timeout.MarshalSpec(c.AttemptTimeout) })
	put("Hedge", c.Hedge != nil, func() ([]byte, error) { return timeout.MarshalSpec(c.Hedge) })
	put("MaxHint", c.MaxHint != 0, func() ([]byte, error) { return json.Marshal(c.MaxHint.String()) })
	put("ResetAfter", c.ResetAfter != 0, func() ([]byte, error) { return json.Marshal(c.ResetAfter.String()) })
	put("HintScope", c.HintScope != "", func() ([]byte, error) { return json.Marshal(c.HintScope) })
	put("MaxElapsed", c.MaxElapsed != 0, func() ([]byte, error) { return json.Marshal(c.MaxElapsed.String()) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. Its error names every unknown field, every value
// that is out of range and every one of the wrong kind, by its path; c is then unchanged. As
// encoding/json specifies, null leaves c unchanged; in place of a field's value null is an error.
func (c *Config) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	if len(data) > maxJSON {
		return fmt.Errorf("a policy of %d bytes is over the limit of %d", len(data), maxJSON)
	}
	fields, err := conf.Object(data)
	if fields == nil {
		return err
	}
	var (
		read  Config
		errs  = []error{err}
		known []string
	)
	take := func(field string, parse func(raw []byte) error) {
		known = append(known, conf.Snake(field))
		raw, ok := fields[conf.Snake(field)]
		if !ok {
			return
		}
		delete(fields, conf.Snake(field))
		errs = append(errs, conf.In(conf.Snake(field), parse(raw)))
	}
	take("MaxAttempts", func(raw []byte) (err error) { read.MaxAttempts, err = parseAttempts(raw); return err })
	take("Backoff", into(&read.Backoff, backoff.UnmarshalStrategy))
	take("ThrottledBackoff", into(&read.ThrottledBackoff, backoff.UnmarshalStrategy))
	take("Budget", into(&read.Budget, budget.UnmarshalSpec))
	take("AttemptTimeout", into(&read.AttemptTimeout, timeout.UnmarshalSpec))
	take("Hedge", into(&read.Hedge, timeout.UnmarshalSpec))
	take("MaxHint", into(&read.MaxHint, parsePositive))
	take("ResetAfter", into(&read.ResetAfter, parseReset))
	take("HintScope", into(&read.HintScope, parseHintScope))
	take("MaxElapsed", into(&read.MaxElapsed, parsePositive))
	errs = append(errs, conf.Unknown(fields, known...))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	*c = read
	return nil
}

// ParseConfig reads what MarshalJSON writes, as json.Unmarshal does, but its error has the line
// and column of a syntax error. A null or an empty text is an error.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return c, errors.New("must be a JSON object, not null")
	}
	if err := c.UnmarshalJSON(data); err != nil {
		return Config{}, err
	}
	return c, nil
}

func into[T any](dst *T, parse func([]byte) (T, error)) func([]byte) error {
	return func(raw []byte) error {
		v, err := parse(raw)
		if err == nil {
			*dst = v
		}
		return err
	}
}

func parseAttempts(raw []byte) (int, error) {
	if string(raw) == `"unlimited"` {
		return Unlimited, nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil || n < 1 {
		return 0, errors.New(`must be a whole number, at least 1, or "unlimited"`)
	}
	return n, nil
}

func parseHintScope(raw []byte) (scope string, _ error) {
	if err := json.Unmarshal(raw, &scope); err != nil || scope != hintCall && scope != hintDestination {
		return "", fmt.Errorf("must be %q or %q", hintCall, hintDestination)
	}
	return scope, nil
}

func parseReset(raw []byte) (time.Duration, error) {
	d, err := conf.Duration(raw)
	if err == nil && d < minReset {
		err = fmt.Errorf("must be at least %v", minReset)
	}
	return d, err
}

func parsePositive(raw []byte) (time.Duration, error) {
	d, err := conf.Duration(raw)
	if err == nil && d <= 0 {
		err = errors.New("must be more than 0")
	}
	return d, err
}
