package grpcx_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

const sendMethod = "/grpc.testing.TestService/FullDuplexCall"

// brokenStream accepts every message and answers none.
type brokenStream struct {
	grpc.ClientStream
	ctx context.Context
}

func (s brokenStream) Context() context.Context     { return s.ctx }
func (s brokenStream) Header() (metadata.MD, error) { return nil, nil }
func (s brokenStream) Trailer() metadata.MD         { return nil }
func (s brokenStream) CloseSend() error             { return nil }
func (s brokenStream) SendMsg(any) error            { return nil }
func (s brokenStream) RecvMsg(any) error            { return unavailable() }

// The stream of a call whose last attempt could not be opened is used by no one, at whatever
// moment somebody asks for it.
func TestStream_SendAfterLastAttemptUnopened(t *testing.T) {
	stream := grpcx.StreamClientInterceptor(policy(t), grpcx.WithIdempotentMethods(sendMethod))
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	for range 3000 {
		opened := 0
		st, err := stream(t.Context(), desc, nil, sendMethod, func(
			ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			if opened++; opened == 1 {
				return brokenStream{ctx: ctx}, nil
			}
			return nil, status.Error(codes.InvalidArgument, "no")
		})
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			for st.SendMsg(&testgrpc.SimpleRequest{}) == nil {
			}
		})
		wg.Go(func() { _, _ = st.Header() })
		err = st.RecvMsg(&testgrpc.SimpleResponse{})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		wg.Wait()
		require.Equal(t, io.EOF, st.SendMsg(&testgrpc.SimpleRequest{}))
	}
}
