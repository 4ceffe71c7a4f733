package grpcx

import (
	"sync/atomic"
	"time"
	"unsafe"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/retry"
)

// client is what the interceptors of one DialOptions share.
type client struct {
	config
	policy *retry.Policy
	last   atomic.Pointer[target]
}

func newClient(caller string, p *retry.Policy, opts []Option) *client {
	return &client{config: newConfig(opts), policy: mustPolicy(caller, p)}
}

// target is the rules for one target. An interceptor nearly always has one: the first is remembered.
type target struct {
	name    string
	base    rule
	methods *targetPolicies // nil: every method has the base
	plain   bool            // every method has the base, and a first attempt of it is plain
}

// rule is how the calls of one method are made.
type rule struct {
	policy  *retry.Policy
	codes   codeSet       // the codes that are retried; 0: by the table of the package documentation
	hedged  bool          // a hedgingPolicy: the user's word that the method may be sent twice
	bounded bool          // a perAttemptRecvTimeout: the user's word that it may be sent again after that
	timeout time.Duration // of a call; 0: the caller's own
	wait    *bool         // wait-for-ready, unless the caller says
	custom  bool          // the first attempt needs more than the policy says: timeout or wait is set
}

// targetOf is the destination's name. Tests of interceptors have no connection.
func targetOf(cc *grpc.ClientConn) string {
	if cc == nil {
		return ""
	}
	return cc.Target()
}

// of reports whether cc leads there. Nearly always it is the connection that the name was taken from, and comparing the
// text would be a call.
func (t *target) of(cc *grpc.ClientConn) bool {
	name := targetOf(cc)
	return unsafe.StringData(name) == unsafe.StringData(t.name) && len(name) == len(t.name) || name == t.name
}

// rule returns what applies to a method of cc.
func (c *client) rule(cc *grpc.ClientConn, method string) *rule {
	t := c.last.Load()
	if t == nil || !t.of(cc) || !t.base.policy.Touch() {
		t = c.target(cc)
	}
	return t.rule(method)
}

// rule returns what applies to a method.
func (t *target) rule(method string) *rule {
	if t.methods != nil {
		if r := t.methods.rule(method); r != nil {
			return r
		}
	}
	return &t.base
}

// target makes the rules of a target. Only the first is kept, so that two connections do not push each other out; what
// was made of it is made anew once its policy is forgotten.
func (c *client) target(cc *grpc.ClientConn) *target {
	name, old := targetOf(cc), c.last.Load()
	t := &target{name: name, base: rule{policy: c.policy.For(name)}}
	if c.policies != nil {
		t.methods = c.policies.target(name, maxCallAttempts(cc))
	}
	t.plain = t.methods == nil && t.base.policy.Plain()
	if old == nil || old.name == name {
		c.last.CompareAndSwap(old, t)
	}
	return t
}
