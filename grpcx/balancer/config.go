package balancer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/serviceconfig"

	"github.com/evenkeel-go/evenkeel/outlier"
)

// Name is the policy's name in a service config.
const Name = "evenkeel"

// Config chooses the policy that picks, and whether backends are set aside.
type Config struct {
	Child       string          // the registered name of the policy that picks; empty means round_robin
	ChildConfig json.RawMessage // that policy's own configuration; nil means {}
	SetAside    *outlier.Config // nil: no backend is set aside
}

// DialOption makes a connection use the policy, unless its resolver returns a service config. It
// uses grpc.WithDefaultServiceConfig, of which a connection has one: if your application has a
// config of its own, add to it the entry that ServiceConfig shows.
//
// It panics as ServiceConfig does.
func DialOption(c Config) grpc.DialOption { return grpc.WithDefaultServiceConfig(ServiceConfig(c)) }

// ServiceConfig returns c as a service config in JSON.
//
// It panics if SetAside is not valid or ChildConfig is not JSON. A child policy that is not
// registered is an error of grpc.NewClient.
func ServiceConfig(c Config) string {
	c.Child = cmp.Or(c.Child, roundrobin.Name)
	if c.ChildConfig == nil {
		c.ChildConfig = json.RawMessage("{}")
	}
	w := wireConfig{ChildPolicy: []map[string]json.RawMessage{{c.Child: c.ChildConfig}}}
	if c.SetAside != nil {
		if err := c.SetAside.Validate(); err != nil {
			panic(fmt.Sprintf("balancer.ServiceConfig: SetAside: %v", err))
		}
		w.SetAside = newWireSetAside(*c.SetAside)
	}
	text, err := json.Marshal(map[string]any{"loadBalancingConfig": []any{map[string]any{Name: w}}})
	if err != nil {
		panic(fmt.Sprintf("balancer.ServiceConfig: ChildConfig: %v", err))
	}
	return string(text)
}

// wireConfig is the policy's configuration as a service config has it.
type wireConfig struct {
	ChildPolicy []map[string]json.RawMessage `json:"childPolicy,omitempty"`
	SetAside    *wireSetAside                `json:"setAside,omitempty"`
}

type wireSetAside struct {
	Failures int     `json:"failures,omitempty"`
	Excess   float64 `json:"excess,omitempty"`
	Slower   float64 `json:"slower,omitempty"`
	MaxShare float64 `json:"maxShare,omitempty"`
	BaseTime string  `json:"baseTime,omitempty"`
	MaxTime  string  `json:"maxTime,omitempty"`
}

func newWireSetAside(c outlier.Config) *wireSetAside {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return &wireSetAside{c.Failures, c.Excess, c.Slower, c.MaxShare, text(c.Base), text(c.Max)}
}

func (w *wireSetAside) config() (outlier.Config, error) {
	c := outlier.Config{Failures: w.Failures, Excess: w.Excess, Slower: w.Slower, MaxShare: w.MaxShare}
	var errs [3]error
	c.Base, errs[0] = duration("baseTime", w.BaseTime)
	c.Max, errs[1] = duration("maxTime", w.MaxTime)
	errs[2] = c.Validate()
	return c, errors.Join(errs[:]...)
}

func duration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", field, err)
	}
	return d, nil
}

// lbConfig is a parsed configuration.
type lbConfig struct {
	serviceconfig.LoadBalancingConfig
	child       balancer.Builder
	childConfig serviceconfig.LoadBalancingConfig
	setAside    *outlier.Config
}

// passive reports whether the child has one backend at a time, so that there is nothing to choose.
func (c *lbConfig) passive() bool { return c.child.Name() == pickfirst.Name }

// ParseConfig implements balancer.ConfigParser.
func (builder) ParseConfig(text json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	var w wireConfig
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("evenkeel: %w", err)
	}
	c := new(lbConfig)
	if w.SetAside != nil {
		o, err := w.SetAside.config()
		if err != nil {
			return nil, fmt.Errorf("evenkeel: setAside: %w", err)
		}
		c.setAside = &o
	}
	if w.ChildPolicy == nil {
		w.ChildPolicy = []map[string]json.RawMessage{{roundrobin.Name: json.RawMessage("{}")}}
	}
	if err := c.parseChild(w.ChildPolicy); err != nil {
		return nil, fmt.Errorf("evenkeel: childPolicy: %w", err)
	}
	return c, nil
}

// parseChild chooses the first policy of the list that is registered, as gRPC does.
func (c *lbConfig) parseChild(list []map[string]json.RawMessage) error {
	for i, entry := range list {
		if len(entry) != 1 {
			return fmt.Errorf("entry %d must have one policy, not %d", i, len(entry))
		}
		for name, text := range entry {
			b := balancer.Get(name)
			if b == nil {
				continue
			}
			if name == Name {
				return errors.New("must be another policy than evenkeel")
			}
			c.child = b
			if p, ok := b.(balancer.ConfigParser); ok {
				var err error
				c.childConfig, err = p.ParseConfig(text)
				return err
			}
			return nil
		}
	}
	return fmt.Errorf("no registered policy among %d (is its package imported?)", len(list))
}
