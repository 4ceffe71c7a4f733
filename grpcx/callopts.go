package grpcx

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/evenkeel-go/evenkeel/retry"
)

// WithPolicy makes one call follow p and not the interceptor's policy, nor that of WithPolicies. p keeps its own
// budget for the call's target. It panics if p is nil.
func WithPolicy(p *retry.Policy) grpc.CallOption {
	return policyOption{policy: mustPolicy("WithPolicy", p)}
}

type policyOption struct {
	grpc.EmptyCallOption
	policy *retry.Policy
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

// outputs is where the caller wants to see what came with the answer. An attempt never writes there itself, or an
// attempt that lost would show. A nil *outputs is none.
type outputs struct {
	header  []*metadata.MD
	trailer []*metadata.MD
	peer    []*peer.Peer
	finish  []func(error)
}

// take keeps the caller's outputs, if there are any, and adds the other options, which every attempt gets, to rest.
func take(rest, opts []grpc.CallOption) (_ []grpc.CallOption, w *outputs) {
	some := func() *outputs {
		if w == nil {
			w = new(outputs)
		}
		return w
	}
	for _, o := range opts {
		switch o := o.(type) {
		case policyOption:
		case grpc.HeaderCallOption:
			some().header = append(some().header, o.HeaderAddr)
		case grpc.TrailerCallOption:
			some().trailer = append(some().trailer, o.TrailerAddr)
		case grpc.PeerCallOption:
			some().peer = append(some().peer, o.PeerAddr)
		case grpc.OnFinishCallOption:
			some().finish = append(some().finish, o.OnFinish)
		default:
			rest = append(rest, o)
		}
	}
	return rest, w
}

func (w *outputs) wantsPeer() bool { return w != nil && len(w.peer) > 0 }

// publish shows the caller what came with the attempt that answered; nothing, if none did.
func (w *outputs) publish(a *attempt) {
	if w == nil {
		return
	}
	if a == nil {
		a = &attempt{}
	}
	for _, md := range w.header {
		*md = a.header
	}
	for _, md := range w.trailer {
		*md = a.trailer
	}
	for _, p := range w.peer {
		*p = peer.Peer{}
		if a.peer != nil {
			*p = *a.peer
		}
	}
}

func (w *outputs) finished(err error) {
	if w == nil {
		return
	}
	for _, f := range w.finish {
		f(err)
	}
}
