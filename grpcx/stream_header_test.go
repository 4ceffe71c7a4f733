package grpcx_test

import (
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A caller may need the header to bring about the message that another goroutine waits for.
func TestServerStreamShowsItsHeaderWhileAnotherGoroutineReceives(t *testing.T) {
	for name, row := range map[string]struct {
		end  error
		code codes.Code
	}{"a message": {nil, codes.OK}, "a failure": {unavailable(), codes.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := make(chan struct{})
				s := newService()
				s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
					if n == 1 {
						return unavailable()
					}
					if err := st.SendHeader(metadata.Pairs("attempt", "2")); err != nil {
						return err
					}
					<-seen
					if row.end != nil {
						return row.end
					}
					return st.Send(out("a"))
				}
				st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
				require.NoError(t, err)
				var received error
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, received = st.Recv()
				}()
				synctest.Wait() // it waits for the message
				header, err := st.Header()
				require.NoError(t, err)
				require.Equal(t, []string{"2"}, header.Get("attempt"))
				close(seen)
				<-done
				require.Equal(t, row.code, status.Code(received))
				if row.end == nil {
					_, err = st.Recv()
					require.Equal(t, io.EOF, err)
				}
				require.EqualValues(t, 2, s.calls.Load(), "the caller has seen the header")
			})
		})
	}
}
