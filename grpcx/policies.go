package grpcx

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// maxTargets bounds the targets that a Policies keeps state for.
const maxTargets = 1024

// Policies gives methods policies of their own; see WithPolicies. Its rules never change, and it
// is safe for concurrent use. The methods of one target that come from a service config share one
// budget, as in gRFC A6.
type Policies struct {
	entries  []entry
	byName   map[string]int // indices in entries: "" for all methods, "/service/", "/service/method"
	throttle budget.Spec    // of the entries without a policy made by the user; nil: the default
	opts     []retry.Option // for the policies made from entries
	unknown  []string       // see UnknownFields
	targets  *dest.Table[string, *targetPolicies]
}

// entry holds one methodConfig, which is also its JSON.
type entry struct {
	Names   []methodName `json:"name"`
	Wait    *bool        `json:"waitForReady,omitempty"`
	Timeout seconds      `json:"timeout,omitempty"` // 0: none
	Retry   *retrySpec   `json:"retryPolicy,omitempty"`
	Hedge   *hedgeSpec   `json:"hedgingPolicy,omitempty"`

	policy *retry.Policy // made by the user, instead of the rules above; nil: they apply
}

// methodName is a key of Policies.byName.
type methodName string

// retrySpec is a retryPolicy of gRFC A6.
type retrySpec struct {
	MaxAttempts int     `json:"maxAttempts"` // as given; config applies the limit
	Initial     seconds `json:"initialBackoff"`
	Max         seconds `json:"maxBackoff"`
	Multiplier  float64 `json:"backoffMultiplier"`
	PerAttempt  seconds `json:"perAttemptRecvTimeout,omitempty"` // 0: none
	Codes       codeSet `json:"retryableStatusCodes"`
}

// hedgeSpec is a hedgingPolicy of gRFC A6.
type hedgeSpec struct {
	MaxAttempts int     `json:"maxAttempts"` // as given; config applies the limit
	Delay       seconds `json:"hedgingDelay"`
	NonFatal    codeSet `json:"nonFatalStatusCodes,omitempty"`
}

const mustBeAMethod = `must be "", "package.Service" or "package.Service/Method"`

// NewPolicies gives each name its policy: "package.Service/Method" for a method,
// "package.Service" or "package.Service/*" for the other methods of a service, and "" or "*" for
// all others. A leading slash is optional. The error lists every name that is malformed, is given
// twice or has a nil policy. [CheckMethods] finds misspelled names.
func NewPolicies(byName map[string]*retry.Policy) (*Policies, error) {
	ps := newPolicies(nil)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		key, ok := methodKey(name)
		_, twice := ps.byName[key]
		field := strconv.Quote(name)
		errs = append(errs,
			conf.Check(ok, field, mustBeAMethod),
			conf.Check(!ok || byName[name] != nil, field, "must not be nil"),
			conf.Check(!ok || !twice, field, "named twice, with and without a slash or *"),
		)
		ps.byName[key] = len(ps.entries)
		ps.entries = append(ps.entries, entry{Names: []methodName{methodName(key)}, policy: byName[name]})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("grpcx: bad policies: %w", err)
	}
	return ps, nil
}

// WithBudget returns policies with the same rules, but with a budget of spec in place of
// retryThrottling, which the methods of one target share: budget.Unlimited{} for none, as in gRPC
// without retryThrottling. Policies made by NewPolicies keep their own. It panics if spec is nil
// or invalid.
func (ps *Policies) WithBudget(spec budget.Spec) *Policies {
	must(spec != nil, "WithBudget: must not be nil")
	if _, err := retry.New(retry.Config{Budget: spec}); err != nil {
		panic(fmt.Sprintf("grpcx: WithBudget: %v", err))
	}
	with := newPolicies(ps.opts)
	with.entries, with.byName, with.throttle, with.unknown = ps.entries, ps.byName, spec, ps.unknown
	return with
}

// UnknownFields returns the paths of fields in a service config that neither this package nor
// gRPC-Go knows: those of later versions of gRPC, and misspelled ones. They have no effect. At
// most 64 are listed.
func (ps *Policies) UnknownFields() []string { return slices.Clone(ps.unknown) }

// newPolicies returns a Policies without entries.
func newPolicies(opts []retry.Option) *Policies {
	ps := &Policies{byName: map[string]int{}, opts: opts}
	ps.targets = dest.New[string](maxTargets, func(t *targetPolicies) bool { return dest.Spent(ps.budget())(t.budget) })
	return ps
}

// budget returns the spec of a target's budget.
func (ps *Policies) budget() budget.Spec { return cmp.Or[budget.Spec](ps.throttle, budget.Adaptive{}) }

// methodKey returns the key by which a name is looked up.
func methodKey(name string) (key string, ok bool) {
	if name == "" || name == "*" {
		return "", true
	}
	service, method, full := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "/"), "/*"), "/")
	switch {
	case strings.Contains(service+method, "*"):
		return "", false
	case service == "" || full && (method == "" || strings.Contains(method, "/")):
		return "", false
	}
	return "/" + service + "/" + method, true
}

// targetPolicies is the state of a Policies for one target.
type targetPolicies struct {
	rules  []rule
	byName map[string]int
	budget budget.Budget // of all rules that have no policy made by the user
}

// target returns the state for the target of cc, and marks it as used. If there are more than
// maxTargets, one that was not used lately is forgotten; see retry.WithMaxDestinations for the
// budget that it gets if it is used again. All connections to a target share the
// grpc.WithMaxCallAttempts of the first.
func (ps *Policies) target(name string, cc *grpc.ClientConn) *targetPolicies {
	if at, ok := ps.targets.Get(name); ok {
		return at.Value
	}
	type place = dest.Entry[string, *targetPolicies]
	return ps.targets.GetOrAdd(name, func(_ *place, drained bool) *targetPolicies {
		return ps.newTarget(name, maxCallAttempts(cc), drained)
	}).Value
}

// newTarget returns the state for a target. most is its limit on maxAttempts. drained means that
// its budget starts empty.
func (ps *Policies) newTarget(name string, most int, drained bool) *targetPolicies {
	t := &targetPolicies{byName: ps.byName, budget: dest.NewBudget(ps.budget(), drained)}
	shared := budget.Shared(t.budget)
	t.rules = make([]rule, len(ps.entries))
	for i, e := range ps.entries {
		if len(e.Names) > 0 { // else no method uses it
			t.rules[i] = e.rule(name, most, shared, ps.opts)
		}
	}
	return t
}

// rule returns what applies to a method, nil if nothing does.
func (t *targetPolicies) rule(method string) *rule {
	service := method[:strings.LastIndexByte(method, '/')+1]
	for _, name := range [...]string{method, service, ""} {
		if i, ok := t.byName[name]; ok {
			return &t.rules[i]
		}
	}
	return nil
}

// rule returns the entry's rule for one target. most is the limit on maxAttempts.
func (e *entry) rule(target string, most int, shared budget.Spec, opts []retry.Option) rule {
	if e.policy != nil {
		return rule{policy: e.policy}
	}
	r := rule{timeout: time.Duration(e.Timeout), wait: e.Wait, hedged: e.Hedge != nil}
	switch {
	case e.Retry != nil:
		r.codes, r.bounded = e.Retry.Codes, e.Retry.PerAttempt > 0
	case e.Hedge != nil:
		r.codes = e.Hedge.NonFatal | fatal
	}
	cfg := e.config(most)
	cfg.Budget = shared
	r.policy = retry.Must(retry.New(cfg, opts...)).For(target)
	return r
}

// maxCallAttempts returns the value of grpc.WithMaxCallAttempts. gRPC-Go does not export it, so it
// is read by reflection. If gRPC renames the field, maxCallAttempts returns gRPC's default.
func maxCallAttempts(cc *grpc.ClientConn) int {
	if cc == nil {
		return defaultMaxAttempts
	}
	options := reflect.ValueOf(cc).Elem().FieldByName("dopts")
	if options.Kind() != reflect.Struct {
		return defaultMaxAttempts
	}
	n := options.FieldByName("maxCallAttempts")
	if n.Kind() != reflect.Int || n.Int() < 2 {
		return defaultMaxAttempts
	}
	return int(n.Int())
}

// fatal makes an empty list of codes differ from none: no code is retried. It is the bit of OK,
// which is never looked up.
const fatal codeSet = 1

// config returns the retry.Config of the entry, without its budget. Without a retryPolicy or
// hedgingPolicy gRPC sends a call once.
func (e *entry) config(most int) retry.Config {
	switch {
	case e.Retry != nil:
		curve := a6Backoff{time.Duration(e.Retry.Initial), time.Duration(e.Retry.Max), e.Retry.Multiplier}
		cfg := retry.Config{
			MaxAttempts: min(e.Retry.MaxAttempts, most), Backoff: curve, ThrottledBackoff: curve,
		}
		if e.Retry.PerAttempt > 0 {
			cfg.AttemptTimeout = timeout.Fixed(e.Retry.PerAttempt)
		}
		return cfg
	case e.Hedge != nil:
		return retry.Config{
			MaxAttempts: min(e.Hedge.MaxAttempts, most), Hedge: timeout.Fixed(max(1, e.Hedge.Delay)),
			Backoff: backoff.None(), ThrottledBackoff: backoff.None(),
		}
	}
	return retry.Config{MaxAttempts: 1}
}

// a6Backoff is the backoff of gRFC A6: min(initial * multiplier^(wait-1), max), with a jitter of
// up to a fifth either way.
type a6Backoff struct {
	initial, max time.Duration
	multiplier   float64
}

const a6Jitter = 0.2

func (b a6Backoff) Delay(wait int, _ time.Duration, u float64) time.Duration {
	curve := float64(b.initial) * math.Pow(b.multiplier, float64(max(wait, 1)-1)) // +Inf at worst
	delay := min(curve, float64(b.max)) * (1 - a6Jitter + 2*a6Jitter*u)
	if delay >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(delay)
}
