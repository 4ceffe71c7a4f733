package outlier

import (
	"context"
	"time"
)

// Change is a change of a backend's state.
type Change uint8

const (
	SetAside  Change = iota + 1 // it gets no attempts but probes
	TakenBack                   // it gets attempts again
)

// String returns the name that logs and metrics use.
func (c Change) String() string {
	switch c {
	case SetAside:
		return "set_aside"
	case TakenBack:
		return "taken_back"
	}
	return "unknown"
}

// Cause is the rule that set a backend aside.
type Cause uint8

const (
	Failures Cause = iota + 1 // failures in a row
	Rate                      // the share of failures
	Latency                   // attempts that took too long, or that hedges overtook
)

// String returns the name that logs and metrics use.
func (c Cause) String() string {
	switch c {
	case Failures:
		return "failures"
	case Rate:
		return "failure_rate"
	case Latency:
		return "latency"
	}
	return "unknown"
}

// Event records that a backend was set aside or taken back.
type Event struct {
	Destination string // of the calls: the gRPC target, or the host that Endpoints stand for
	Backend     string // its address or base URL
	Change      Change
	Cause       Cause         // why it was set aside
	For         time.Duration // SetAside: until its first probe. TakenBack: how long it was set aside
}

// Observer is implemented by a retry.Observer that records backends being set aside and
// taken back.
type Observer interface {
	// BackendChanged records an event, with the context of the call whose attempt was decisive.
	// It must be quick, must not use that call (its stream or response), and must not panic: gRPC
	// calls it from within that call, with the stream locked, and if the call was canceled on a
	// goroutine of its own, where a panic ends the process. On other goroutines a panic reaches
	// the caller, and the attempt is no longer counted as under way.
	BackendChanged(ctx context.Context, e Event)
}
