package grpcx

import (
	"time"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// client is what the interceptors of one DialOptions share.
type client struct {
	config
	policy *retry.Policy
}

func newClient(caller string, p *retry.Policy, opts []Option) *client {
	layer.Link()
	return &client{config: newConfig(opts), policy: mustPolicy(caller, p)}
}

// rule is how the calls of one method are made. The zero rule is for methods that no Policies names.
type rule struct {
	policy  *retry.Policy // of any destination; nil: the interceptor's
	codes   codeSet       // the codes that are retried; 0: by the table of the package documentation
	hedged  bool          // a hedgingPolicy: the user's word that the method may be sent twice
	bounded bool          // a perAttemptRecvTimeout: the user's word that it may be sent again after that
	timeout time.Duration // of a call; 0: the caller's own
	wait    *bool         // wait-for-ready, unless the caller says
}

// byTable is the rule of a method that no Policies names, and of a call with a policy of its own.
var byTable rule

// targetOf returns the name of the destination. Tests of interceptors have no connection.
func targetOf(cc *grpc.ClientConn) string {
	if cc == nil {
		return ""
	}
	return cc.Target()
}

// rule returns what applies to a method of cc, and the policy of its destination, marked as used.
func (c *client) rule(cc *grpc.ClientConn, method string) (*retry.Policy, *rule) {
	name := targetOf(cc)
	if c.policies != nil {
		if r := c.policies.target(name, cc).rule(method); r != nil {
			return r.policy.For(name), r
		}
	}
	return c.policy.For(name), &byTable
}
