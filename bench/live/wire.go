package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Wire is one way to call a real server on the loopback interface.
type Wire struct {
	Name string
	// serve starts a server. If it tells, it has evenkeel's server side and so passes "do not
	// retry" on.
	serve func(do work, tells bool) (*server, error)
	dial  func(addr string, p *retry.Policy) (*client, error)
}

// work is a server's function for an attempt of a call. An error is answered with 503 or
// UNAVAILABLE.
type work func(ctx context.Context, call int) error

// errFails is the server's failure when it was told to fail.
var errFails = errors.New("fails as told")

type server struct {
	addr  string
	close func() // and wait until it has stopped
}

// client calls one server under a policy of its own.
type client struct {
	send  func(ctx context.Context, call int) error
	close func()
}

// callKey carries the number of the call, so that servers can tell the attempts of different calls
// apart.
const callKey = "bench-call"

// HTTP and GRPC call through httpx and grpcx.
var (
	HTTP = Wire{"http", serveHTTP, dialHTTP}
	GRPC = Wire{"grpc", serveGRPC, dialGRPC}
)

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func serveHTTP(do work, tells bool) (*server, error) {
	l, err := listen()
	if err != nil {
		return nil, err
	}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := strconv.Atoi(r.Header.Get(callKey))
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case do(r.Context(), call) != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if tells {
		h = httpx.Handler(h)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	return &server{l.Addr().String(), func() {
		s.Close()
		serving.Wait()
	}}, nil
}

func dialHTTP(addr string, p *retry.Policy) (*client, error) {
	// As many connections are kept as were ever needed at once: dialling is not what is measured.
	base := &http.Transport{MaxIdleConnsPerHost: 10_000}
	c := http.Client{Transport: httpx.NewTransport(base, p)}
	send := func(ctx context.Context, call int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
		if err != nil {
			return err
		}
		req.Header.Set(callKey, strconv.Itoa(call))
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
	return &client{send, c.CloseIdleConnections}, nil
}

const callMethod = "/bench.Live/Call"

func serveGRPC(do work, tells bool) (*server, error) {
	l, err := listen()
	if err != nil {
		return nil, err
	}
	var opts []grpc.ServerOption
	if tells {
		opts = append(opts, grpc.UnaryInterceptor(grpcx.UnaryServerInterceptor()))
	}
	s := grpc.NewServer(opts...)
	s.RegisterService(describe(do), nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	return &server{l.Addr().String(), func() {
		s.Stop()
		serving.Wait()
	}}, nil
}

// describe returns what a generated file has for a service of one method without arguments.
func describe(do work) *grpc.ServiceDesc {
	handle := func(ctx context.Context, _ any) (any, error) {
		call, err := incomingCall(ctx)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		if err := do(ctx, call); err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
		return new(emptypb.Empty), nil
	}
	method := func(_ any, ctx context.Context, dec func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
		in := new(emptypb.Empty)
		if err := dec(in); err != nil {
			return nil, err
		}
		if around == nil {
			return handle(ctx, in)
		}
		return around(ctx, in, &grpc.UnaryServerInfo{FullMethod: callMethod}, handle)
	}
	return &grpc.ServiceDesc{
		ServiceName: "bench.Live",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Call", Handler: method}},
	}
}

func incomingCall(ctx context.Context) (int, error) {
	values := metadata.ValueFromIncomingContext(ctx, callKey)
	if len(values) != 1 {
		return 0, fmt.Errorf("%s: %d values, want 1", callKey, len(values))
	}
	return strconv.Atoi(values[0])
}

func dialGRPC(addr string, p *retry.Policy) (*client, error) {
	opts := append(grpcx.DialOptions(p), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	conn, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		return nil, err
	}
	send := func(ctx context.Context, call int) error {
		ctx = metadata.AppendToOutgoingContext(ctx, callKey, strconv.Itoa(call))
		return conn.Invoke(ctx, callMethod, new(emptypb.Empty), new(emptypb.Empty))
	}
	return &client{send, func() { _ = conn.Close() }}, nil
}
