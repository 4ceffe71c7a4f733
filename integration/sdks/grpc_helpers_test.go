package sdks_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
)

// rpcServer is a gRPC server of any service that counts calls and fails the first ones.
type rpcServer struct {
	*fakenet.Listener
	mu     sync.Mutex
	fails  int
	lose   bool // by losing the connection after the call's effect, instead of by UNAVAILABLE
	served int
	conns  []net.Conn
}

// serveRPC makes a server whose answer to every call is reply, and ends it with the test.
func serveRPC(t *testing.T, fails int, lose bool, reply proto.Message) *rpcServer {
	t.Helper()
	s := &rpcServer{Listener: fakenet.Listen(), fails: fails, lose: lose}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		if s.next() {
			if !s.lose {
				return status.Error(codes.Unavailable, "busy")
			}
			s.cut()
			<-stream.Context().Done()
			return nil
		}
		return stream.SendMsg(reply)
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(s)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return s
}

// next counts a call, and reports whether it is to fail.
func (s *rpcServer) next() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served++
	return s.served <= s.fails
}

func (s *rpcServer) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

func (s *rpcServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// Accept implements net.Listener.
func (s *rpcServer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns = append(s.conns, c)
	}
	return c, err
}

// dialOptions lead every connection to the server.
func (s *rpcServer) dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return s.Dial(ctx, "tcp", address) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}
}
