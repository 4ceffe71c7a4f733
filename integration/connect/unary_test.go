package connect_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// once fails the first attempt and no other.
func once(fail func(ctx context.Context) error) func(*server, context.Context, int32) error {
	return func(_ *server, ctx context.Context, attempt int32) error {
		if attempt > 1 {
			return nil
		}
		return fail(ctx)
	}
}

func unavailable(context.Context) error {
	return connect.NewError(connect.CodeUnavailable, errors.New("restarting"))
}

func abort(context.Context) error { panic(http.ErrAbortHandler) }

// A unary call is sent again if its method or its caller says that it may be: connect's GET for
// calls without side effects is declared by its method, its POST by nothing.
func TestUnary_FirstAttemptFails(t *testing.T) {
	const get, declared = "GET", "declared" // by the method, or by retry.WithIdempotency
	for name, test := range map[string]struct {
		wire  string
		fail  func(context.Context) error
		says  string
		bare  connect.Code
		again bool // the library sends it again, and has the answer
	}{
		"HTTP1/abort/undeclared":       {"HTTP1", abort, "", connect.CodeUnavailable, false},
		"HTTP1/abort/declared":         {"HTTP1", abort, declared, connect.CodeUnavailable, true},
		"HTTP1/abort/GET":              {"HTTP1", abort, get, connect.CodeUnavailable, true},
		"HTTP1/unavailable/undeclared": {"HTTP1", unavailable, "", connect.CodeUnavailable, false},
		"HTTP1/unavailable/declared":   {"HTTP1", unavailable, declared, connect.CodeUnavailable, true},
		"h2c/abort/undeclared":         {"h2c", abort, "", connect.CodeInternal, false},
		"h2c/abort/declared":           {"h2c", abort, declared, connect.CodeInternal, true},
		"h2c/abort/GET":                {"h2c", abort, get, connect.CodeInternal, true},
		"h2c/unavailable/undeclared":   {"h2c", unavailable, "", connect.CodeUnavailable, false},
		"h2c/unavailable/GET":          {"h2c", unavailable, get, connect.CodeUnavailable, true},
		"h2c_gRPC/abort/declared":      {"h2c_gRPC", abort, declared, connect.CodeInternal, true},
		// A gRPC status comes in the trailer of a 200: for net/http that is a success. Use grpcx
		// for gRPC.
		"h2c_gRPC/unavailable/declared": {"h2c_gRPC", unavailable, declared, connect.CodeUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := wires[test.wire]
			opts := append([]connect.ClientOption{}, w.options...)
			if test.says == get {
				opts = append(opts, connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects))
			}
			for _, mode := range modes {
				s := newServer(t, w.protocols, once(test.fail))
				c := s.client(t, w.protocols, mode.wrap, unary, opts...)
				ctx := patient(t)
				if test.says == declared {
					ctx = retry.WithIdempotency(ctx, retry.Idempotent)
				}
				want, served := got{Code: test.bare}, int32(1)
				if test.again && mode.name != "bare" && mode.name != "evenkeel_once" {
					want, served = got{Messages: []string{"abc"}}, 2
				}
				require.Equal(t, want, s.call(ctx, t, c, unary), mode.name)
				require.Equal(t, served, s.served.Load(), mode.name)
			}
		})
	}
}

// The server hangs: an attempt timeout ends each attempt, and the caller reads of a deadline and
// not of a cancellation, which would be its own.
func TestUnary_AttemptTimeout(t *testing.T) {
	for wire, w := range wires {
		t.Run(wire, func(t *testing.T) {
			t.Parallel() // each takes seconds of waiting
			hang := func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}
			for name, test := range map[string]struct {
				during func(*server, context.Context, int32) error
				want   got
			}{
				"first": {once(hang), got{Messages: []string{"abc"}}},
				"all": {
					func(_ *server, ctx context.Context, _ int32) error { return hang(ctx) },
					got{Code: connect.CodeDeadlineExceeded},
				},
			} {
				s := newServer(t, w.protocols, test.during)
				p := quick(retry.Config{MaxAttempts: 2, AttemptTimeout: timeout.Fixed(500 * time.Millisecond)})
				c := s.client(t, w.protocols, func(rt http.RoundTripper) http.RoundTripper {
					return httpx.NewTransport(rt, p)
				}, unary, w.options...)
				ctx := retry.WithIdempotency(patient(t), retry.Idempotent)
				require.Equal(t, test.want, s.call(ctx, t, c, unary), name)
				require.EqualValues(t, 2, s.served.Load(), name)
			}
		})
	}
}

// The deadline is connect's to say to the server (Connect-Timeout-Ms, Grpc-Timeout) and ours as
// well (Request-Timeout): the server's context ends, and the code is the same.
func TestUnary_Deadline(t *testing.T) {
	for wire, w := range wires {
		for _, mode := range modes {
			t.Run(wire+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				bounded := make(chan bool, 1)
				s := newServer(t, w.protocols, func(_ *server, ctx context.Context, _ int32) error {
					_, ok := ctx.Deadline()
					bounded <- ok
					<-ctx.Done()
					return ctx.Err()
				})
				c := s.client(t, w.protocols, mode.wrap, unary, w.options...)
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				require.Equal(t, connect.CodeDeadlineExceeded, s.call(ctx, t, c, unary).Code)
				require.True(t, <-bounded)
				require.EqualValues(t, 1, s.served.Load())
			})
		}
	}
}
