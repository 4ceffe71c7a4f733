package grpcx_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A caller may need the header to bring about the message that another goroutine waits for.
func TestServerStream_HeaderWhileReceiving(t *testing.T) {
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

// In any order of events, a header that the caller has seen belongs to the attempt whose messages
// it receives.
func TestServerStream_HeaderAndMessagesOfOneAttempt(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		what := rand.IntN(5)
		if what == 0 {
			return unavailable()
		}
		number := strconv.Itoa(n)
		if err := st.SendHeader(metadata.Pairs("attempt", number)); err != nil || what == 1 {
			return errors.Join(err, unavailable())
		}
		if what == 2 {
			return nil
		}
		return st.Send(out(number))
	}
	c := dial(t, serve(t, s), policy(t, attempts(20), func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Minute) }))
	for range 300 {
		st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		var got string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				m, err := st.Recv()
				if err != nil {
					return
				}
				got = string(m.Payload.Body)
			}
		}()
		header, err := st.Header()
		require.NoError(t, err)
		<-done
		if got != "" {
			require.Equal(t, []string{got}, header.Get("attempt"))
		}
		_, err = st.Recv()
		require.Error(t, err)
	}
}

func TestStream_HeaderWaitsForAttemptWithOne(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		st.SetTrailer(metadata.Pairs("end", fmt.Sprint(n)))
		return st.SendHeader(metadata.Pairs("from", fmt.Sprint(n)))
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err := st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"3"}, header.Get("from"))
	_, err = st.Recv()
	require.Equal(t, io.EOF, err)
	require.Equal(t, []string{"3"}, st.Trailer().Get("end"))
}

func TestStream_HeaderOfFailedCallIsNil(t *testing.T) {
	s := newService()
	s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
		return unavailable()
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err := st.Header()
	require.NoError(t, err)
	require.Nil(t, header)
	for range 2 {
		_, err = st.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, retry.ReasonMaxAttempts, reason(t, err))
	}
	require.EqualValues(t, 3, s.calls.Load())
}

func TestServerStream_HeaderBeforeRefusal(t *testing.T) {
	s := newService()
	s.output = func(_ int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		require.NoError(t, st.SendHeader(metadata.Pairs("quota", "0")))
		return status.Error(codes.PermissionDenied, "no")
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	header, err := st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"0"}, header.Get("quota"), "as gRPC-Go has it")
}

func TestServerStream_UnseenHeaderDoesNotCommit(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		require.NoError(t, st.SendHeader(metadata.Pairs("from", fmt.Sprint(n))))
		if n == 1 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	c := dial(t, serve(t, s), policy(t))
	st, err := c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	got, err := drain(st)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got)
	header, err := st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, header.Get("from"))

	s.calls.Store(0)
	st, err = c.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	header, err = st.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, header.Get("from"))
	_, err = drain(st)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 1, s.calls.Load())
}
