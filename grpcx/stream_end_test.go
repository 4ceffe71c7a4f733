package grpcx_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Who has seen the end of a stream finds its call options filled in, whichever goroutine of gRPC's
// was the first to know. Run it with -race.
func TestStream_CallOptionsSetAtEnd(t *testing.T) {
	type stream = testgrpc.TestService_FullDuplexCallClient
	ends := map[string]func(st stream, cancel func(), cc *grpc.ClientConn) error{
		"cancelled":     func(_ stream, cancel func(), _ *grpc.ClientConn) error { cancel(); return nil },
		"closed":        func(_ stream, _ func(), cc *grpc.ClientConn) error { _ = cc.Close(); return nil },
		"well":          func(st stream, _ func(), _ *grpc.ClientConn) error { return st.CloseSend() },
		"with an error": func(st stream, _ func(), _ *grpc.ClientConn) error { return st.Send(both("fail")) },
	}
	for how, p := range map[string]*retry.Policy{"": policy(t), ", one attempt": policy(t, attempts(1))} {
		for name, end := range ends {
			for _, seen := range []bool{true, false} {
				t.Run(name+how+map[bool]string{true: " after a message", false: " before"}[seen], func(t *testing.T) {
					s := newService()
					s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
						_ = st.SetHeader(metadata.Pairs("h", "1"))
						st.SetTrailer(metadata.Pairs("t", "1"))
						if seen {
							_ = st.Send(out(""))
						} else {
							_ = st.SendHeader(nil)
						}
						if m, err := st.Recv(); err == nil && string(m.GetPayload().GetBody()) == "fail" {
							return unavailable()
						}
						return nil
					}
					to := serve(t, s)
					for range 4 {
						cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(p), to)...)
						var wg, open sync.WaitGroup
						open.Add(40)
						for range 40 {
							wg.Go(func() { endOnce(t, cc, seen, &open, end) })
						}
						wg.Wait()
					}
				})
			}
		}
	}
}

// endOnce opens a stream, lets it end once all are open, receives the end and looks at the call
// options.
func endOnce(
	t *testing.T, cc *grpc.ClientConn, seen bool, all *sync.WaitGroup,
	end func(testgrpc.TestService_FullDuplexCallClient, func(), *grpc.ClientConn) error,
) {
	var (
		p               peer.Peer
		header, trailer metadata.MD
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	st, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(ctx, grpc.Peer(&p), grpc.Header(&header), grpc.Trailer(&trailer))
	if err == nil && seen {
		_, err = st.Recv()
	} else if err == nil {
		_, err = st.Header()
	}
	all.Done()
	all.Wait()
	if err == nil {
		err = end(st, cancel, cc)
	}
	for err == nil {
		_, err = st.Recv()
	}
	if p.Addr == nil || len(header["h"]) == 0 {
		t.Errorf("after %v: peer %v, header %v", err, p.Addr, header)
	}
	if err == io.EOF && len(trailer["t"]) == 0 {
		t.Errorf("after %v: trailer %v", err, trailer)
	}
}

// Nobody receives: a sender finds the end of the stream for the receiver that comes later.
func TestStream_CallOptionsSetIfSenderFoundEnd(t *testing.T) {
	for range 50 {
		s := newService()
		s.input = func(_ int, st testgrpc.TestService_StreamingInputCallServer) error {
			st.SetTrailer(metadata.Pairs("t", "1"))
			return nil
		}
		var p peer.Peer
		var trailer metadata.MD
		st, err := dial(t, serve(t, s), policy(t)).StreamingInputCall(t.Context(), grpc.Peer(&p), grpc.Trailer(&trailer))
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for st.Send(&testgrpc.StreamingInputCallRequest{}) == nil {
			}
		}()
		var m testgrpc.StreamingInputCallResponse
		require.Error(t, st.RecvMsg(&m))
		addr, got := p.Addr, trailer["t"]
		<-done
		require.NotNil(t, addr)
		require.Equal(t, []string{"1"}, got)
	}
}

// TestStream_SendAfterEnd sends on streams that have ended, which gRPC-Go answers with what is
// wrong with the message, if anything is.
func TestStream_SendAfterEnd(t *testing.T) {
	s := newService()
	s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return status.Error(codes.NotFound, "no") }
	st, err := dial(t, serve(t, s), policy(t)).FullDuplexCall(t.Context(), grpc.MaxCallSendMsgSize(100))
	require.NoError(t, err)
	_, err = st.Recv()
	require.Equal(t, codes.NotFound, status.Code(err))
	require.Equal(t, io.EOF, st.Send(both("x")))
	require.Equal(t, codes.ResourceExhausted, status.Code(st.Send(both(strings.Repeat("x", 200)))))
	require.NoError(t, st.CloseSend())
	require.ErrorContains(t, st.Send(both("x")), "SendMsg called after CloseSend")
}

// TestStream_AnswerSurvivesUnsendableMessage has the answer arrive before the caller makes a
// mistake in sending.
func TestStream_AnswerSurvivesUnsendableMessage(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.input = func(_ int, st testgrpc.TestService_StreamingInputCallServer) error {
			return st.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: 7})
		}
		st, err := dial(t, to, policy(t)).StreamingInputCall(t.Context())
		require.NoError(t, err)
		require.NoError(t, st.CloseSend())
		synctest.Wait()
		require.ErrorContains(t, st.Send(&testgrpc.StreamingInputCallRequest{}), "SendMsg called after CloseSend")
		reply := new(testgrpc.StreamingInputCallResponse)
		require.NoError(t, st.RecvMsg(reply))
		require.EqualValues(t, 7, reply.AggregatedPayloadSize)
	})
}
