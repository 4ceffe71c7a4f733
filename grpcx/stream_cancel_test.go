package grpcx_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestStream_CancelReleases(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()){
		"and is never touched again": func(_ *testing.T, _ testgrpc.TestService_FullDuplexCallClient, cancel func()) { cancel() },
		"and receives": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			cancel()
			_, err := st.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
			require.ErrorIs(t, err, context.Canceled)
		},
		"while it receives": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			time.AfterFunc(time.Second, cancel)
			_, err := st.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
			require.Equal(t, retry.ReasonCanceled, reason(t, err))
		},
		"and sends": func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel func()) {
			cancel()
			synctest.Wait()
			require.Equal(t, io.EOF, st.Send(both("x")))
			require.NoError(t, st.CloseSend())
			_, err := st.Header()
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
					<-st.Context().Done()
					return st.Context().Err()
				}
				books := testkit.NewLedger()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				finished := 0
				st, err := dial(t, to, policy(t, booked(books))).FullDuplexCall(ctx, grpc.OnFinish(func(error) { finished++ }))
				require.NoError(t, err)
				synctest.Wait()
				leave(t, st, cancel)
				synctest.Wait()
				books.Settled(t)
				require.Equal(t, 1, finished)
			})
		})
	}
}

func TestStream_ClosedConnectionReleases(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			<-st.Context().Done()
			return st.Context().Err()
		}
		books := testkit.NewLedger()
		var of context.Context // the attempt's
		see := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			of = ctx
			return streamer(ctx, desc, cc, method, opts...)
		}
		cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t, booked(books))), to, grpc.WithChainStreamInterceptor(see))...)
		_, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, books.Open())
		require.NoError(t, of.Err())
		require.NoError(t, cc.Close())
		synctest.Wait()
		books.Settled(t)
		require.Error(t, of.Err(), "it is not registered on the caller's context any more")
	})
}

func TestStream_CancelDuringWait(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
			return unavailable()
		}
		books := testkit.NewLedger()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		p := policy(t, booked(books), func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		start := time.Now()
		st, err := dial(t, to, p).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, codes.Canceled, status.Code(err))
		books.Settled(t)
	})
}

func TestStream_AbandonedIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen testkit.Watcher
		p, err := retry.New(retry.Config{}, retry.WithObserver(&seen))
		require.NoError(t, err)
		s := newService()
		s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			<-st.Context().Done()
			return nil
		}
		c := dial(t, serve(t, s), p)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = c.FullDuplexCall(ctx)
		require.NoError(t, err)
		cancel()
		synctest.Wait()
		require.Equal(t, []string{"attempt 1", "call"}, seen.Order)
		require.Equal(t, retry.Canceled, seen.Attempts[0].Outcome.Class)
		require.Equal(t, retry.ReasonCanceled, seen.Reports[0].Reason)
	})
}

// A sender that waits for a replay must not outlive the caller's patience.
func TestStream_CancelDuringReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		books := testkit.NewLedger()
		s := newService()
		s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
		ctx, cancel := context.WithCancel(t.Context())
		slow := policy(t, booked(books), func(c *retry.Config) { c.Backoff = backoff.Constant(time.Hour) })
		var n atomic.Int64
		st, err := dial(t, serve(t, s), slow).FullDuplexCall(ctx, finishes(&n))
		require.NoError(t, err)
		done := make(chan error, 2)
		go func() { _, err := st.Recv(); done <- err }()
		synctest.Wait()
		go func() { done <- st.Send(both("x")) }()
		synctest.Wait()
		cancel()
		for range 2 {
			require.Error(t, <-done)
		}
		require.EqualValues(t, 1, n.Load())
		books.Settled(t)
	})
}

// TestStream_EndedContextKeepsWhatArrived has a caller receive only when its context has ended,
// although the server has answered before.
func TestStream_EndedContextKeepsWhatArrived(t *testing.T) {
	for name, test := range map[string]struct {
		last error // the server's; nil: it goes on
		want codes.Code
	}{
		"refused":                       {status.Error(codes.NotFound, "no"), codes.NotFound},
		"failed after a message":        {status.Error(codes.Aborted, "no"), codes.Aborted},
		"still going on":                {nil, codes.DeadlineExceeded},
		"failed without any":            {status.Error(codes.Aborted, "none"), codes.DeadlineExceeded},
		"refused without any":           {status.Error(codes.NotFound, "none"), codes.NotFound},
		"ended well without any":        {status.Error(codes.OK, "none"), codes.OK},
		"could be retried, without any": {unavailable(), codes.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				sends := !strings.HasSuffix(name, "without any")
				s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
					_ = st.SendHeader(nil)
					if sends {
						_ = st.Send(out("x"))
					}
					if test.last == nil && test.want != codes.OK {
						<-st.Context().Done() // at the same moment as the client's
						return st.Context().Err()
					}
					return test.last
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				st, err := dial(t, to, policy(t)).FullDuplexCall(ctx)
				require.NoError(t, err)
				time.Sleep(2 * time.Second)
				if sends {
					m, err := st.Recv()
					require.NoError(t, err)
					require.Equal(t, "x", string(m.GetPayload().GetBody()))
				}
				for range 2 {
					_, err = st.Recv()
					if test.want == codes.OK {
						require.Equal(t, io.EOF, err)
						continue
					}
					require.Equal(t, test.want, status.Code(err), err)
				}
				require.EqualValues(t, 1, s.calls.Load())
			})
		})
	}
}
