package grpcx_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// A policy of one attempt adds nothing to what gRPC-Go does by itself: its one transparent retry
// of a refused stream.
func TestOneAttempt_SameAsPlainGRPC(t *testing.T) {
	for name, react := range map[string]func(s *wireStream){
		"refused":      func(s *wireStream) { _ = s.WriteRSTStream(s.id, http2.ErrCodeRefusedStream) },
		"sent away":    func(s *wireStream) { _ = s.WriteGoAway(s.id-2, http2.ErrCodeNo, nil); s.close() },
		"UNAVAILABLE":  func(s *wireStream) { s.answer("14", "down") },
		"a lost reply": (*wireStream).close,
		"an answer":    func(s *wireStream) { s.answer("5", "not found") },
		"asked to wait": func(s *wireStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14", "grpc-retry-pushback-ms", "0")
		},
	} {
		for kind, call := range calls {
			t.Run(name+", "+kind, func(t *testing.T) {
				count := func(opts ...grpc.DialOption) (streams int64, err error) {
					var n atomic.Int64
					err = call(t.Context(), conn(t, "passthrough:///x", append(opts, wire(t, &n, react))...))
					return n.Load(), err
				}
				bare, plain := count()
				once, err := count(grpcx.DialOptions(policy(t, attempts(1)), declareAll)...)
				require.Equal(t, bare, once)
				require.Equal(t, plain, err)
			})
		}
	}
	t.Run("no connection", func(t *testing.T) {
		for kind, call := range calls {
			books := testkit.NewLedger()
			err := call(t.Context(), conn(t, refused, grpcx.DialOptions(policy(t, attempts(1), booked(books)))...))
			require.Equal(t, codes.Unavailable, status.Code(err), kind)
			require.Len(t, books.Ends, 1, kind)
			var e *retry.Error
			require.NotErrorAs(t, err, &e, kind)
		}
	})
}
