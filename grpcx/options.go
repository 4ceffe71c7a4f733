package grpcx

import (
	"context"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

// defaultReplayBuffer is gRPC-Go's default, in bytes.
const defaultReplayBuffer = 256 << 10

// Option configures the client interceptors.
type Option func(*config)

type config struct {
	strict     bool            // UNAVAILABLE needs a declared method as well
	idempotent map[string]bool // "/service/method", "/service/" for all of a service, "" for all
	policies   *Policies
	hintKey    func(ctx context.Context, method string) string
	replay     int // bytes of messages that a stream may keep, to send them again
	classify   classifier
}

func newConfig(opts []Option) config {
	c := config{replay: defaultReplayBuffer}
	for _, opt := range opts {
		must(opt != nil, "Option: must not be nil")
		opt(&c)
	}
	return c
}

// WithStrictIdempotency turns off gRPC's convention that a call which a server answers with
// UNAVAILABLE may be sent again whatever its method: methods that are not declared idempotent are
// then sent again only if the attempt was provably unprocessed. The proof depends on call
// options: if an interceptor after this one drops them, such attempts look processed.
func WithStrictIdempotency() Option { return func(c *config) { c.strict = true } }

// WithIdempotentMethods declares methods that may be sent twice, as if their idempotency_level
// were IDEMPOTENT: "pkg.Service/Method", "pkg.Service/*" for all methods of a service, or "*" for
// all. A leading slash is optional. [CheckMethods] finds misspelled names. Without such a
// declaration a call whose reply was lost is not sent again. WithIdempotentMethods panics if a
// name has another form.
func WithIdempotentMethods(methods ...string) Option {
	keys := make([]string, len(methods))
	for i, m := range methods {
		key, ok := idempotentKey(m)
		if !ok {
			panic(`grpcx: WithIdempotentMethods: must be like pkg.Service/Method, pkg.Service/* or *, not "` + m + `"`)
		}
		keys[i] = key
	}
	return func(c *config) {
		if c.idempotent == nil {
			c.idempotent = map[string]bool{}
		}
		for _, key := range keys {
			c.idempotent[key] = true
		}
	}
}

// WithPolicies gives methods policies of their own; those that ps does not name keep the
// interceptor's.
func WithPolicies(ps *Policies) Option {
	must(ps != nil, "WithPolicies: must not be nil")
	return func(c *config) { c.policies = ps }
}

// WithReplayBuffer sets how many bytes of messages a stream keeps to send them again: 256 KiB by
// default, as in gRPC-Go. Each message counts with its five-byte prefix on the wire. A stream
// that has sent more is not retried. The call option grpc.MaxRetryRPCBufferSize overrides this.
// With 0 no stream that sends anything is retried.
//
// Protobuf messages are copied, so the caller may reuse them. Messages of other codecs are not:
// as in gRPC-Go, the caller must not modify them after SendMsg.
//
// It panics if bytes is negative.
func WithReplayBuffer(bytes int) Option {
	must(bytes >= 0, "WithReplayBuffer: must not be negative")
	return func(c *config) { c.replay = bytes }
}

// WithHintKey makes a server's pushback delay only the calls with the same key, such as a tenant
// or the method ("/pkg.Service/Method"), under a policy whose HintScope is "destination". key is
// called once per call whose policy has that scope, and must be safe for concurrent use. The
// number of keys is limited together with that of targets (retry.WithMaxDestinations).
// WithHintKey panics if key is nil.
func WithHintKey(key func(ctx context.Context, method string) string) Option {
	must(key != nil, "WithHintKey: must not be nil")
	return func(c *config) { c.hintKey = key }
}

// pauseKey returns the WithHintKey key of a call under p, or "" if its waits have no keys.
func (c *config) pauseKey(ctx context.Context, p *drive.Policy, method string) string {
	if c.hintKey == nil || p.Pause == nil {
		return ""
	}
	return c.hintKey(ctx, method)
}

// WithPolicy makes one call follow p instead of the interceptor's policy or that of WithPolicies.
// p keeps its own budget for the call's target. It panics if p is nil.
func WithPolicy(p *retry.Policy) grpc.CallOption {
	must(p != nil, "WithPolicy: policy must not be nil")
	return policyOption{policy: p}
}

type policyOption struct {
	grpc.EmptyCallOption
	policy *retry.Policy
}

// Attempts sets *n to the number of attempts that were sent for one call, hedges included, whether
// it succeeded or not. Read it when the call is over, like the target of grpc.Trailer. Without an
// interceptor of this package, *n is not changed. It panics if n is nil.
func Attempts(n *int) grpc.CallOption {
	must(n != nil, "Attempts: must not be nil")
	return attemptsOption{n: n}
}

type attemptsOption struct {
	grpc.EmptyCallOption
	n *int
}

// findPolicy returns the policy of WithPolicy, the last one; nil if there is none.
func findPolicy(opts []grpc.CallOption) (p *retry.Policy) {
	for _, o := range opts {
		if o, ok := o.(policyOption); ok {
			p = o.policy
		}
	}
	return p
}

// must panics with text unless ok.
func must(ok bool, text string) {
	if !ok {
		panic("grpcx: " + text)
	}
}
