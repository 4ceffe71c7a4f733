package grpcx_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// A server that takes no message holds up whoever sends it more than its window, also what is sent again.
func TestTheAttemptTimeoutHoldsWhileMessagesAreSentAgain(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		if n == 2 { // hangs
			<-st.Context().Done()
			return unavailable()
		}
		for {
			_, err := st.Recv()
			switch {
			case err == io.EOF && n == 1:
				return unavailable()
			case err == io.EOF:
				return st.Send(&testgrpc.StreamingOutputCallResponse{})
			case err != nil:
				return err
			}
		}
	}
	p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(300 * time.Millisecond) })
	window := grpc.StaticStreamWindowSize(64 << 10)
	c := dial(t, serve(t, s, window), p, grpcx.WithIdempotentMethods(duplexCall))
	st, err := c.FullDuplexCall(within(t, 10*time.Second))
	require.NoError(t, err)
	for range 25 {
		m := &testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, 10<<10)}}
		require.NoError(t, st.Send(m))
	}
	require.NoError(t, st.CloseSend())
	_, err = st.Recv()
	require.NoError(t, err, "the third attempt answers")
	require.EqualValues(t, 3, s.calls.Load())
}

// oldMessage is a message of protobuf's old API: to gRPC's codec it is a BytesValue.
type oldMessage struct {
	Value []byte `protobuf:"bytes,1,opt,name=value,proto3"`
}

func (m *oldMessage) Reset()         { *m = oldMessage{} }
func (m *oldMessage) String() string { return string(m.Value) }
func (*oldMessage) ProtoMessage()    {}

func TestMessagesOfTheOldAPIAreCopied(t *testing.T) {
	var got []string
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		var all []string
		for m := new(wrapperspb.BytesValue); st.RecvMsg(m) == nil; m = new(wrapperspb.BytesValue) {
			all = append(all, string(m.Value))
		}
		got = append(got, strings.Join(all, ","))
		if n == 1 {
			return unavailable()
		}
		return nil
	}
	cc := conn(t, "passthrough:///test", append(grpcx.DialOptions(policy(t)), serve(t, s))...)
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	st, err := cc.NewStream(within(t, 5*time.Second), desc, duplexCall)
	require.NoError(t, err)
	m := &oldMessage{}
	for i := range 3 {
		m.Value = fmt.Append(nil, i)
		require.NoError(t, st.SendMsg(m))
	}
	require.NoError(t, st.CloseSend())
	require.ErrorIs(t, st.RecvMsg(new(wrapperspb.BytesValue)), io.EOF)
	require.Equal(t, []string{"0,1,2", "0,1,2"}, got)
}

func TestTheErrorOfAStreamHasItsHistory(t *testing.T) {
	s := newService()
	s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
	for _, max := range []int{3, 20} {
		st, err := dial(t, serve(t, s), policy(t, attempts(max))).FullDuplexCall(within(t, 5*time.Second))
		require.NoError(t, err)
		_, err = st.Recv()
		var e *retry.Error
		require.True(t, errors.As(err, &e))
		require.Len(t, e.History, min(max, 8))
		require.Equal(t, 1, e.History[0].Attempt)
		last := e.History[len(e.History)-1]
		require.Equal(t, retry.Failure{Attempt: max, Class: retry.Transient, Err: e.Last}, last)
	}
}
