package grpcx

import (
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
)

// DialOptions returns options that make a ClientConn's calls follow p: both client interceptors,
// chained after those already given, and gRPC-Go's own retries off, so that only one layer
// retries.
//
// gRPC-Go's transparent retries remain, and p's observers do not see them: gRPC-Go resends any
// number of times an attempt that never left the client, and once an attempt that the server
// refused unprocessed. The retryPolicy of a service config from the resolver is off, too, but
// gRPC-Go still applies the config's timeout, which then limits each attempt: pass the config to
// FromServiceConfig to limit the call.
//
// grpc.WithMaxCallAttempts beside these options bounds the attempts of policies from
// FromServiceConfig, as it does gRPC-Go's own.
//
// It panics if p is nil.
func DialOptions(p *retry.Policy, opts ...Option) []grpc.DialOption {
	c := newClient("DialOptions", p, opts)
	return []grpc.DialOption{
		grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
	}
}

// UnaryClientInterceptor makes unary calls follow p. Use DialOptions unless the connection's own
// retries are turned off elsewhere. It panics if p is nil.
func UnaryClientInterceptor(p *retry.Policy, opts ...Option) grpc.UnaryClientInterceptor {
	return newClient("UnaryClientInterceptor", p, opts).unary
}

// StreamClientInterceptor makes streams follow p; see DialOptions and the package documentation.
// Streams are not hedged. An observer of p may use a stream once its CallDone is called, and not
// before: the stream waits while the observer's AttemptDone runs between two attempts. It panics
// if p is nil.
func StreamClientInterceptor(p *retry.Policy, opts ...Option) grpc.StreamClientInterceptor {
	return newClient("StreamClientInterceptor", p, opts).stream
}

// client holds the state that the interceptors of one DialOptions share.
type client struct {
	config
	policy *retry.Policy
}

func newClient(caller string, p *retry.Policy, opts []Option) *client {
	layer.Link()
	c := &client{config: newConfig(opts), policy: p}
	must(p != nil, caller+": policy must not be nil")
	return c
}

// rule holds the settings for the calls of one method. The zero rule is for methods that no
// Policies names.
type rule struct {
	policy  *retry.Policy // call For for the policy of a target; nil in byTable
	codes   codeSet       // the codes that are retried; 0: by the table of the package documentation
	hedged  bool          // a hedgingPolicy declares that the method may be sent twice
	bounded bool          // a perAttemptRecvTimeout declares that it may be sent again after a timeout
	timeout time.Duration // of a call; 0: none
	wait    *bool         // wait-for-ready, unless the caller's options set it; nil: unset
}

// byTable is the rule of a method that no Policies names, and of a call with a policy of its own.
var byTable rule

// rule returns the policy and the rule for a call of method on cc. The policy is that of cc's
// target, and is marked as used.
func (c *client) rule(cc *grpc.ClientConn, method string, opts []grpc.CallOption) (*retry.Policy, *rule) {
	name := targetOf(cc)
	if p := findPolicy(opts); p != nil {
		return p.For(name), &byTable
	}
	if c.policies != nil {
		if r := c.policies.target(name, cc).rule(method); r != nil {
			return r.policy.For(name), r
		}
	}
	return c.policy.For(name), &byTable
}

// targetOf returns the name of the destination. cc is nil in tests of interceptors.
func targetOf(cc *grpc.ClientConn) string {
	if cc == nil {
		return ""
	}
	return cc.Target()
}

// rpcInfo returns a call's method and target, for the policy's observer.
func rpcInfo(cc *grpc.ClientConn, method string, opts []grpc.CallOption) rpcinfo.Info {
	info := rpcinfo.Info{Method: rpcinfo.Other}
	for _, o := range opts {
		if _, static := o.(grpc.StaticMethodCallOption); static { // generated code makes the call (gRFC A66)
			info.Method = strings.TrimPrefix(method, "/")
		}
	}
	if cc != nil {
		info.Target = cc.CanonicalTarget()
	}
	return info
}
