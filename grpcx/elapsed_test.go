package grpcx_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMaxElapsed_BoundsRetriesOfCallsAndStreams(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.unary = func(context.Context, int, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			time.Sleep(2 * time.Second)
			return nil, unavailable()
		}
		s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
			time.Sleep(2 * time.Second)
			return unavailable()
		}
		stub := dial(t, to, policy(t, attempts(retry.Unlimited), func(c *retry.Config) {
			c.MaxElapsed, c.Backoff = 10*time.Second, backoff.Constant(time.Second)
		}))
		for name, call := range map[string]func() error{
			"unary": func() error { _, err := stub.UnaryCall(t.Context(), &testgrpc.SimpleRequest{}); return err },
			"stream": func() error {
				st, err := stub.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
				if err == nil {
					_, err = st.Recv()
				}
				return err
			},
		} {
			start := time.Now()
			err := call()
			require.Equal(t, codes.Unavailable, status.Code(err), name)
			require.ErrorContains(t, err, "(evenkeel: max_elapsed after 4 attempts)", name)
			require.Equal(t, 11*time.Second, time.Since(start), name)
		}
	})
}
