package fault_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/evenkeel-go/evenkeel/grpcx/fault"
)

func serve(t *testing.T, in *fault.Injector) testgrpc.TestServiceClient {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(grpc.UnaryInterceptor(in.Unary), grpc.StreamInterceptor(in.Stream))
	testgrpc.RegisterTestServiceServer(srv, interop.NewTestServer())
	go func() { _ = srv.Serve(l) }()
	cc, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close(); srv.Stop() })
	return testgrpc.NewTestServiceClient(cc)
}

func codesOf(t *testing.T, c testgrpc.TestServiceClient, n int) (all []codes.Code) {
	for range n {
		_, err := c.EmptyCall(t.Context(), &testgrpc.Empty{})
		all = append(all, status.Code(err))
	}
	return all
}

func TestScript_FailsListedCalls(t *testing.T) {
	in := fault.New(1, fault.Rule{
		Method: "/grpc.testing.TestService/EmptyCall", Script: []bool{true, false, true}, Fault: fault.Fault{Code: codes.Aborted},
	})
	c := serve(t, in)
	require.Equal(t, []codes.Code{codes.Aborted, codes.OK, codes.Aborted, codes.OK, codes.OK}, codesOf(t, c, 5))
	require.Equal(t, 2, in.Hits())
	_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
	require.NoError(t, err)
}

func TestShare_SeededAndApproximate(t *testing.T) {
	rule := fault.Rule{Share: 0.3, Fault: fault.Fault{Code: codes.Unavailable}}
	first, again := fault.New(7, rule), fault.New(7, rule)
	one, two := codesOf(t, serve(t, first), 500), codesOf(t, serve(t, again), 500)
	require.Equal(t, one, two)
	require.InDelta(t, 150, first.Hits(), 40)
}

func TestFaults_CarryStatusDetailsAndPushback(t *testing.T) {
	in := fault.New(1, fault.Rule{Share: 1, Fault: fault.Fault{
		Code: codes.ResourceExhausted, Message: "busy", Header: true, Pushback: fault.PushbackAfter(time.Second), RetryInfo: time.Minute,
	}})
	var header, trailer metadata.MD
	_, err := serve(t, in).EmptyCall(t.Context(), &testgrpc.Empty{}, grpc.Header(&header), grpc.Trailer(&trailer))
	st := status.Convert(err)
	require.Equal(t, codes.ResourceExhausted, st.Code())
	require.Equal(t, "busy", st.Message())
	require.Equal(t, time.Minute, st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
	require.NotEmpty(t, header)
	require.Equal(t, []string{"1000"}, trailer.Get("grpc-retry-pushback-ms"))
}

func TestDelay_EndsWithDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, fault.New(1, fault.Rule{Script: []bool{true, true}, Fault: fault.Fault{Delay: time.Minute}}))
		start := time.Now()
		_, err := c.EmptyCall(t.Context(), &testgrpc.Empty{})
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.EmptyCall(ctx, &testgrpc.Empty{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	})
}

func TestStream_CutAfterMessages(t *testing.T) {
	c := serve(t, fault.New(1, fault.Rule{Share: 1, Fault: fault.Fault{Code: codes.Unavailable, AfterMessages: 2, Pushback: "-1"}}))
	for asked, want := range map[int]codes.Code{2: codes.OK, 3: codes.Unavailable} {
		req := &testgrpc.StreamingOutputCallRequest{}
		for range asked {
			req.ResponseParameters = append(req.ResponseParameters, &testgrpc.ResponseParameters{Size: 1})
		}
		st, err := c.StreamingOutputCall(t.Context(), req)
		require.NoError(t, err)
		n := 0
		for err == nil {
			if _, err = st.Recv(); err == nil {
				n++
			}
		}
		require.Equal(t, 2, n)
		if want == codes.OK {
			require.Equal(t, io.EOF, err)
			continue
		}
		require.Equal(t, want, status.Code(err))
		require.Equal(t, []string{"-1"}, st.Trailer().Get("grpc-retry-pushback-ms"))
	}
}

func TestAfterHandler_EffectRemains(t *testing.T) {
	in := fault.New(1, fault.Rule{Share: 1, Fault: fault.Fault{Code: codes.Unavailable, AfterHandler: true}})
	handled := false
	_, err := in.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/a/b"}, func(context.Context, any) (any, error) {
		handled = true
		return nil, nil
	})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.True(t, handled)
}

func TestNew_PanicsOnInvalidArguments(t *testing.T) {
	for _, r := range []fault.Rule{{Share: 1.1}, {Share: -1}, {Method: "x"}, {Fault: fault.Fault{Delay: -1}}} {
		require.Panics(t, func() { fault.New(1, r) })
	}
}

func TestStream_ShorterThanCutEndsNormally(t *testing.T) {
	in := fault.New(1, fault.Rule{Share: 1, Fault: fault.Fault{Code: codes.Unavailable, AfterMessages: 5}})
	own := status.Error(codes.NotFound, "the handler's own")
	for _, err := range []error{nil, own} {
		st := &sink{ctx: t.Context()}
		got := in.Stream(nil, st, &grpc.StreamServerInfo{FullMethod: "/s/m"}, func(_ any, st grpc.ServerStream) error {
			require.NoError(t, st.SendMsg("one"))
			return err
		})
		require.Equal(t, err, got)
	}
}

// sink is a stream that takes messages.
type sink struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *sink) Context() context.Context { return s.ctx }
func (*sink) SendMsg(any) error          { return nil }
