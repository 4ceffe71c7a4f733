package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

// echo is a gRPC server on the loopback interface, described by hand: one method of each kind.
type echo struct {
	get  func(ctx context.Context, in *text) (*text, error)
	list func(in *text, s grpc.ServerStream) error // one request, many answers
	put  func(s grpc.ServerStream) error           // many requests, one answer

	server *grpc.Server
	addr   string
}

var (
	listDesc = &grpc.StreamDesc{StreamName: "List", ServerStreams: true}
	putDesc  = &grpc.StreamDesc{StreamName: "Put", ClientStreams: true}
)

const (
	listMethod = "/peers.Echo/List"
	putMethod  = "/peers.Echo/Put"
)

func (e *echo) desc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "peers.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Get",
			Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(text)
				if err := dec(in); err != nil {
					return nil, err
				}
				return e.get(ctx, in)
			},
		}},
		Streams: []grpc.StreamDesc{
			{StreamName: "List", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
				in := new(text)
				if err := s.RecvMsg(in); err != nil {
					return err
				}
				return e.list(in, s)
			}},
			{StreamName: "Put", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error { return e.put(s) }},
		},
	}
}

func (e *echo) start() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	e.serve(l)
}

// serve starts the server on a listener.
func (e *echo) serve(l net.Listener) {
	e.server, e.addr = grpc.NewServer(), l.Addr().String()
	e.server.RegisterService(e.desc(), nil)
	go func() { _ = e.server.Serve(l) }()
}

// dial connects a client.
func (e *echo) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///"+e.addr,
		append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		panic(err)
	}
	return conn
}
