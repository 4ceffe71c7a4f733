package grpcx

import (
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// outputs holds the targets of the caller's Header, Trailer, Peer, OnFinish, and Attempts
// options. Only publish writes to them: attempts that lost must not show. A nil *outputs has
// none.
type outputs struct {
	header  []*metadata.MD
	trailer []*metadata.MD
	peer    []*peer.Peer
	finish  []func(error)

	attempts []*int
	sent     atomic.Int32 // attempts
}

// splitOptions returns the caller's outputs, if there are any, and adds the other options, which
// every attempt gets, to rest.
func splitOptions(rest, opts []grpc.CallOption) (_ []grpc.CallOption, w *outputs) {
	some := func() *outputs {
		if w == nil {
			w = new(outputs)
		}
		return w
	}
	for _, o := range opts {
		switch o := o.(type) {
		case policyOption:
		case attemptsOption:
			some().attempts = append(some().attempts, o.n)
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

// sending counts an attempt.
func (w *outputs) sending() {
	if w != nil {
		w.sent.Add(1)
	}
}

func (w *outputs) wantsPeer() bool { return w != nil && len(w.peer) > 0 }

// publish sets the targets to the metadata of the attempt that answered. Like gRPC-Go, it leaves
// them alone if that had no stream on a connection.
func (w *outputs) publish(a *attempt) {
	if w == nil {
		return
	}
	for _, n := range w.attempts {
		*n = int(w.sent.Load())
	}
	if a == nil {
		return
	}
	sent := a.trailer != nil // always, unless another channel than gRPC-Go's ignores the option
	for _, md := range w.header {
		if sent || a.header != nil {
			*md = a.header
		}
	}
	for _, md := range w.trailer {
		if sent {
			*md = a.trailer
		}
	}
	for _, p := range w.peer {
		if a.peer != nil && (sent || a.peer.Addr != nil) {
			*p = *a.peer
		}
	}
}

// finished calls the OnFinish options.
func (w *outputs) finished(err error) {
	if w == nil {
		return
	}
	for _, f := range w.finish {
		f(err)
	}
}
