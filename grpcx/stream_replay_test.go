package grpcx_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// oldMessage is a message of protobuf's old API: to gRPC's codec it is a BytesValue.
type oldMessage struct {
	Value []byte `protobuf:"bytes,1,opt,name=value,proto3"`
}

func (m *oldMessage) Reset()         { *m = oldMessage{} }
func (m *oldMessage) String() string { return string(m.Value) }
func (*oldMessage) ProtoMessage()    {}

func TestStream_OldAPIMessagesCopied(t *testing.T) {
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

func TestStream_ErrorHasHistory(t *testing.T) {
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
		require.Equal(t, call.Failure{Attempt: max, Class: retry.Transient, Status: "gRPC Unavailable", Err: e.Last}, last)
	}
}

func TestClientStream_ReplayedWithSentBytes(t *testing.T) {
	s := newService()
	var got [][]string
	s.input = func(n int, st testgrpc.TestService_StreamingInputCallServer) error {
		all, err := collect(st)
		require.NoError(t, err)
		got = append(got, all)
		if n < 3 {
			return unavailable()
		}
		return st.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingInputCall(t.Context())
	require.NoError(t, err)
	m := in("")
	for _, text := range []string{"a", "bc", "d"} {
		m.Payload.Body = append(m.Payload.Body[:0], text...) // the message is used again
		require.NoError(t, st.Send(m))
	}
	reply, err := st.CloseAndRecv()
	require.NoError(t, err)
	require.EqualValues(t, 3, reply.AggregatedPayloadSize)
	require.Equal(t, [][]string{{"a", "bc", "d"}, {"a", "bc", "d"}, {"a", "bc", "d"}}, got)
}

func TestClientStream_ReplayedIfBrokenWhileSending(t *testing.T) {
	s := newService()
	var last []string
	s.input = func(n int, st testgrpc.TestService_StreamingInputCallServer) error {
		if n < 3 {
			_, _ = st.Recv()
			return unavailable()
		}
		var err error
		last, err = collect(st)
		require.NoError(t, err)
		return st.SendAndClose(&testgrpc.StreamingInputCallResponse{})
	}
	st, err := dial(t, serve(t, s), policy(t)).StreamingInputCall(t.Context())
	require.NoError(t, err)
	var want []string
	for i := range 200 {
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
		want = append(want, fmt.Sprint(i))
		require.NoError(t, st.Send(in(want[i])))
	}
	_, err = st.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, want, last)
	require.EqualValues(t, 3, s.calls.Load())
}

func TestClientStream_AboveBufferNotReplayed(t *testing.T) {
	for name, option := range map[string]struct {
		dial []grpcx.Option
		call []grpc.CallOption
	}{
		"default":     {},
		"option":      {dial: []grpcx.Option{grpcx.WithReplayBuffer(10)}},
		"none":        {dial: []grpcx.Option{grpcx.WithReplayBuffer(0)}},
		"call option": {call: []grpc.CallOption{grpc.MaxRetryRPCBufferSize(10)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			var size atomic.Int64
			s.input = func(_ int, st testgrpc.TestService_StreamingInputCallServer) error {
				all, err := collect(st)
				for _, m := range all {
					size.Add(int64(len(m)))
				}
				require.NoError(t, err)
				return unavailable()
			}
			st, err := dial(t, serve(t, s), policy(t), option.dial...).StreamingInputCall(t.Context(), option.call...)
			require.NoError(t, err)
			body := string(make([]byte, 100_000))
			for range 5 {
				require.NoError(t, st.Send(in(body)))
			}
			_, err = st.CloseAndRecv()
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, retry.ReasonNotReplayable, reason(t, err))
			require.EqualValues(t, 1, s.calls.Load())
			require.EqualValues(t, 500_000, size.Load())
		})
	}
}

func TestBidiStream_ReplayedUntilHeader(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		m, err := st.Recv()
		require.NoError(t, err)
		switch n {
		case 1:
			return unavailable()
		case 2:
			require.NoError(t, st.SendHeader(metadata.Pairs("from", "2")))
			return unavailable()
		}
		return st.Send(out(string(m.Payload.Body)))
	}
	st, err := dial(t, serve(t, s), policy(t)).FullDuplexCall(t.Context())
	require.NoError(t, err)
	require.NoError(t, st.Send(both("x")))
	_, err = st.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 2, s.calls.Load())
	header, _ := st.Header()
	require.Equal(t, []string{"2"}, header.Get("from"))
}

func TestStream_ClosedTwiceReplayedClosed(t *testing.T) {
	s := newService()
	s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
		for {
			if _, err := st.Recv(); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
		}
		if n < 3 {
			return unavailable()
		}
		return st.Send(out(fmt.Sprint(n)))
	}
	st, err := dial(t, serve(t, s), policy(t)).FullDuplexCall(within(t, 10*time.Second))
	require.NoError(t, err)
	require.NoError(t, st.Send(both("x")))
	require.NoError(t, st.CloseSend())
	require.NoError(t, st.CloseSend())
	m, err := st.Recv()
	require.NoError(t, err)
	require.Equal(t, "3", string(m.Payload.Body))
}

func TestStream_EmptyMessagesCountInReplayBuffer(t *testing.T) {
	for name, row := range map[string]struct{ limit, messages int }{"none is kept": {0, 1}, "many are bounded": {50, 11}} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.input = func(_ int, st testgrpc.TestService_StreamingInputCallServer) error {
				for st.RecvMsg(in("")) == nil {
				}
				return unavailable()
			}
			st, err := dial(t, serve(t, s), policy(t), grpcx.WithReplayBuffer(row.limit)).StreamingInputCall(t.Context())
			require.NoError(t, err)
			for range row.messages {
				require.NoError(t, st.Send(&testgrpc.StreamingInputCallRequest{}))
			}
			_, err = st.CloseAndRecv()
			require.Equal(t, retry.ReasonNotReplayable, reason(t, err))
			require.EqualValues(t, 1, s.calls.Load())
		})
	}
}

func TestStream_ReplaySizeOfOtherCodecs(t *testing.T) {
	for limit, want := range map[int]codes.Code{16: codes.OK, 15: codes.Unavailable} {
		s := newService()
		var got []string
		s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
			for range 2 {
				var m words
				require.NoError(t, st.RecvMsg(&m))
				got = append(got, m.text)
			}
			if n == 1 {
				return unavailable()
			}
			return st.SendMsg(&words{"bye"})
		}
		cc := conn(t, "passthrough:///x", append(grpcx.DialOptions(policy(t), grpcx.WithReplayBuffer(limit)), serve(t, s, grpc.ForceServerCodecV2(wordsCodec{})))...)
		st, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, duplexCall, grpc.ForceCodecV2(wordsCodec{}))
		require.NoError(t, err)
		require.NoError(t, st.SendMsg(&words{"abc"}))
		require.NoError(t, st.SendMsg(&words{"def"}))
		var m words
		require.Equal(t, want, status.Code(st.RecvMsg(&m)))
		require.Equal(t, "abc", got[0])
		if want == codes.OK {
			require.Equal(t, []string{"abc", "def", "abc", "def"}, got)
			require.Equal(t, "bye", m.text)
		}
		require.NoError(t, cc.Close())
	}
}
