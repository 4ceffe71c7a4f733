package grpcx_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var badMetadata = metadata.MD{"bad key": {"x"}}

// sentBy returns the number of a call's attempts that its error states.
func sentBy(t *testing.T, err error) int {
	t.Helper()
	return stopped(t, err).Attempts
}

// badCreds are credentials that cannot be had.
type badCreds struct{ error }

func (c badCreds) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, c.error
}

func (badCreds) RequireTransportSecurity() bool { return false }

func TestClientRefusal_NotRetried(t *testing.T) {
	c := dial(t, serve(t, newService()), policy(t), grpcx.WithIdempotentMethods(unaryCall, duplexCall))
	ctx := metadata.NewOutgoingContext(within(t, time.Second), badMetadata)
	_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	require.Equal(t, 1, sentBy(t, err))
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	_, err = c.FullDuplexCall(ctx)
	require.Equal(t, 1, sentBy(t, err))
	_, err = c.UnaryCall(within(t, time.Second), &testgrpc.SimpleRequest{}, grpc.PerRPCCredentials(badCreds{errors.New("no token")}))
	require.Equal(t, 1, sentBy(t, err))
	_, err = c.UnaryCall(within(t, time.Second), &testgrpc.SimpleRequest{},
		grpc.PerRPCCredentials(badCreds{status.Error(codes.Unavailable, "where they come from is down")}))
	require.Equal(t, 3, sentBy(t, err))
}

// slowCreds are credentials that take longer than an attempt may, the first time.
type slowCreds struct{ asked *int }

func (c slowCreds) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if *c.asked++; *c.asked > 1 {
		return map[string]string{"token": "here"}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (slowCreds) RequireTransportSecurity() bool { return false }

// Credentials that the attempt's own timeout cuts short were not refused, and nothing was sent.
func TestClientRefusal_NotOfCredentialsCutShort(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error{
		"unary": func(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
			_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, opts...)
			return err
		},
		"stream": func(ctx context.Context, c testgrpc.TestServiceClient, opts ...grpc.CallOption) error {
			st, err := c.FullDuplexCall(ctx, opts...)
			if err == nil {
				_, err = st.Recv()
			}
			return err
		},
	} {
		for _, ofCall := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s_credentials_of_call_%t", name, ofCall), func(t *testing.T) {
				bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
					s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
						return st.Send(&testgrpc.StreamingOutputCallResponse{})
					}
					asked := 0
					opts := append(grpcx.DialOptions(policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })), to)
					var creds []grpc.CallOption
					if ofCall {
						creds = append(creds, grpc.PerRPCCredentials(slowCreds{&asked}))
					} else {
						opts = append(opts, grpc.WithPerRPCCredentials(slowCreds{&asked}))
					}
					c := testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...))
					require.NoError(t, call(t.Context(), c, creds...))
					require.Equal(t, 2, asked)
					require.EqualValues(t, 1, s.calls.Load())
				})
			})
		}
	}
}

// A server that relays such an error at the deadline has received the call, whoever notices first
// that the time is over.
func TestClientRefusal_RelayedCredentialsErrorNotRepeated(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.Unauthenticated} {
		t.Run(code.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
				s.unary = func(ctx context.Context, _ int, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
					<-ctx.Done()
					return nil, status.Error(code, "transport: per-RPC creds failed due to error: context deadline exceeded")
				}
				p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) })
				_, err := dial(t, to, p).UnaryCall(t.Context(), &testgrpc.SimpleRequest{})
				require.Error(t, err)
				require.EqualValues(t, 1, s.calls.Load())
			})
		})
	}
}

// A caller who is wrong takes nothing from those who are not.
func TestClientRefusal_IsNoEvidence(t *testing.T) {
	for name, b := range map[string]budget.Spec{
		"Adaptive": nil, "GRPC": budget.GRPC{}, "ClientThrottle": budget.ClientThrottle{}, "TokenBucket": budget.TokenBucket{},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.unary = failing(1, unavailable())
			p := retry.Must(retry.New(retry.Config{Backoff: backoff.None(), Budget: b}))
			c := dial(t, serve(t, s), p, grpcx.WithIdempotentMethods(unaryCall))
			for range 60 {
				_, err := c.UnaryCall(metadata.NewOutgoingContext(within(t, time.Second), badMetadata), &testgrpc.SimpleRequest{})
				require.Error(t, err)
			}
			_, err := c.UnaryCall(within(t, time.Second), &testgrpc.SimpleRequest{})
			require.NoError(t, err)
		})
	}
}

func TestClientRefusal_NotMatchedByServiceConfigCodes(t *testing.T) {
	s, sent := newService(), 0
	s.unary = func(context.Context, int, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		return &testgrpc.SimpleResponse{Payload: &testgrpc.Payload{Body: make([]byte, 1000)}}, nil
	}
	ps, err := grpcx.FromServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4,
		"initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
		"retryableStatusCodes": ["RESOURCE_EXHAUSTED", "INTERNAL"]}}]}`)
	require.NoError(t, err)
	count := grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		sent++
		return next(ctx, method, req, reply, cc, opts...)
	})
	opts := append(grpcx.DialOptions(policy(t), grpcx.WithPolicies(ps)), serve(t, s), count)
	c := testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...))
	for name, opt := range map[string]grpc.CallOption{
		"too large to send": grpc.MaxCallSendMsgSize(10), "too large to receive": grpc.MaxCallRecvMsgSize(10),
	} {
		sent = 0
		req := &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: make([]byte, 100)}}
		_, err := c.UnaryCall(within(t, time.Second), req, opt)
		require.Equal(t, codes.ResourceExhausted, status.Code(err), name)
		require.Equal(t, 1, sent, name)
	}
	sent = 0
	_, err = c.UnaryCall(metadata.NewOutgoingContext(within(t, time.Second), badMetadata), &testgrpc.SimpleRequest{})
	require.Equal(t, codes.Internal, status.Code(err))
	require.Equal(t, 1, sent)
}

func TestClientRefusal_UntrustedCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(cert)))
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	defer func() { srv.Stop(); <-done }()

	trust := credentials.NewTLS(&tls.Config{ServerName: "localhost"})
	cc, err := grpc.NewClient(l.Addr().String(), append(grpcx.DialOptions(policy(t)), grpc.WithTransportCredentials(trust))...)
	require.NoError(t, err)
	defer cc.Close()
	_, err = testgrpc.NewTestServiceClient(cc).EmptyCall(within(t, 5*time.Second), &testgrpc.Empty{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, retry.ReasonRejected, reason(t, err))
	require.Equal(t, 1, sentBy(t, err))
}

// An attempt that never had an address to go to has done nothing.
func TestAttemptTimeout_BeforeResolutionIsUnsent(t *testing.T) {
	p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(20 * time.Millisecond) })
	silent := manual.NewBuilderWithScheme("silent")
	opts := append(grpcx.DialOptions(p), grpc.WithResolvers(silent), grpc.WithTransportCredentials(insecure.NewCredentials()))
	cc, err := grpc.NewClient("silent:///x", opts...)
	require.NoError(t, err)
	defer cc.Close()
	c := testgrpc.NewTestServiceClient(cc)
	for name, call := range map[string]func(context.Context) error{
		"unary":  func(ctx context.Context) error { _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}); return err },
		"stream": func(ctx context.Context) error { _, err := c.FullDuplexCall(ctx); return err },
	} {
		err := call(within(t, 5*time.Second))
		require.Equal(t, 3, sentBy(t, err), fmt.Sprint(name, ": ", err))
		require.Equal(t, retry.ReasonMaxAttempts, reason(t, err), name)
	}
}
