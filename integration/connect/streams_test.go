package connect_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
)

var methods = map[string]string{"unary": unary, "client": clientStream, "server": serverStream, "bidi": bidi}

// each runs f for every wire, method and mode.
func each(t *testing.T, f func(t *testing.T, wire, kind, mode string)) {
	for wire := range wires {
		for kind := range methods {
			if kind == "bidi" && !wires[wire].bidi {
				continue
			}
			for _, mode := range modes {
				t.Run(wire+"/"+kind+"/"+mode.name, func(t *testing.T) { f(t, wire, kind, mode.name) })
			}
		}
	}
}

func wrapOf(mode string) func(http.RoundTripper) http.RoundTripper {
	for _, m := range modes {
		if m.name == mode {
			return m.wrap
		}
	}
	panic(mode)
}

func TestStreams_HealthyServer(t *testing.T) {
	want := map[string]got{
		"unary":  {Messages: []string{"abc"}},
		"client": {Messages: []string{"abc"}},
		"server": {Messages: []string{"a", "b", "c"}},
		"bidi":   {Messages: []string{"a", "b", "c"}},
	}
	each(t, func(t *testing.T, wire, kind, mode string) {
		w := wires[wire]
		s := newServer(t, w.protocols, func(*server, context.Context, int32) error { return nil })
		c := s.client(t, w.protocols, wrapOf(mode), methods[kind], w.options...)
		require.Equal(t, want[kind], s.call(patient(t), t, c, methods[kind]))
		require.EqualValues(t, 1, s.served.Load())
	})
}

// The code tells connect's users whether to try again: it must be that of the bare client, at
// once and not at the caller's deadline, and nobody declared these calls idempotent, so that the
// server sees each of them once.
func TestStreams_ServerGivesUp(t *testing.T) {
	faults := map[string]struct {
		during func(s *server, ctx context.Context, attempt int32) error
		codes  func(wire, kind string) []connect.Code
	}{
		"abort": {
			func(*server, context.Context, int32) error { panic(http.ErrAbortHandler) },
			func(wire, kind string) []connect.Code {
				if wire != "HTTP1" {
					return []connect.Code{connect.CodeInternal}
				}
				return lost(wire, kind)
			},
		},
		"lost_connection": {
			func(s *server, _ context.Context, _ int32) error {
				s.loseConnections()
				<-s.over
				return nil
			},
			lost,
		},
		"closed_server": {
			func(s *server, _ context.Context, _ int32) error {
				_ = s.Config.Close()
				<-s.over
				return nil
			},
			lost,
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, wire, kind, mode string) {
				w := wires[wire]
				s := newServer(t, w.protocols, fault.during)
				c := s.client(t, w.protocols, wrapOf(mode), methods[kind], w.options...)
				var want []string
				if kind == "server" {
					want = []string{"a"}
				}
				ctx := patient(t)
				g := s.call(ctx, t, c, methods[kind])
				require.NoError(t, ctx.Err(), "the call returned only at its own deadline")
				require.Contains(t, fault.codes(wire, kind), g.Code)
				require.Equal(t, want, g.Messages)
				require.EqualValues(t, 1, s.served.Load())
			})
		})
	}
}

// lost returns the possible codes of a call whose connection was lost: connect reports canceled
// where the loss was found by writing (EPIPE, ECONNRESET), and internal once an answer has begun.
func lost(_, kind string) []connect.Code {
	if kind == "server" {
		return []connect.Code{connect.CodeInternal, connect.CodeCanceled}
	}
	return []connect.Code{connect.CodeUnavailable, connect.CodeCanceled}
}

// The server hears of a client that gives up, and the client is told that it was itself. An HTTP/1
// server looks at the connection only once it has read the request's body, so that there it does
// not hear of it in the middle of a client's stream.
func TestStreams_ClientGivesUp(t *testing.T) {
	each(t, func(t *testing.T, wire, kind, mode string) {
		w := wires[wire]
		arrived, ended := make(chan struct{}), make(chan struct{})
		s := newServer(t, w.protocols, func(s *server, ctx context.Context, _ int32) error {
			close(arrived)
			select {
			case <-ctx.Done():
				close(ended)
			case <-s.over:
			}
			return ctx.Err()
		})
		c := s.client(t, w.protocols, wrapOf(mode), methods[kind], w.options...)
		ctx, cancel := context.WithCancel(patient(t))
		go func() {
			<-arrived
			cancel()
		}()
		require.Equal(t, connect.CodeCanceled, s.call(ctx, t, c, methods[kind]).Code)
		if wire != "HTTP1" || kind != "client" {
			<-ended
		}
		require.EqualValues(t, 1, s.served.Load())
	})
}
