package etcd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	rangeMethod = "/etcdserverpb.KV/Range"
	putMethod   = "/etcdserverpb.KV/Put"
	txnMethod   = "/etcdserverpb.KV/Txn"
	watchMethod = "/etcdserverpb.Watch/Watch"
)

// patience is how long what hangs is given. No test waits for it.
const patience = time.Minute

// etcd is an embedded server behind a relay, which can be killed and restarted, and counts calls.
type etcd struct {
	t       *testing.T
	dir     string
	urls    [2]url.URL
	running *embed.Etcd
	relay   *relay

	mu     sync.Mutex
	served map[string]int
	lose   map[string]int // how many replies of a method are still to be lost
	no     map[string]int // how many calls of a method are still to be refused
}

func newEtcd(t *testing.T) *etcd {
	t.Helper()
	e := &etcd{t: t, dir: t.TempDir(), served: map[string]int{}, lose: map[string]int{}, no: map[string]int{}}
	for i := range e.urls {
		e.urls[i] = url.URL{Scheme: "http", Host: freeAddress(t)}
	}
	e.relay = &relay{t: t, address: freeAddress(t), server: e.urls[0].Host}
	e.start()
	t.Cleanup(e.kill)
	return e
}

// start runs the server on its data, and returns when it answers.
func (e *etcd) start() {
	e.t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = e.dir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{e.urls[0]}, []url.URL{e.urls[0]}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{e.urls[1]}, []url.URL{e.urls[1]}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(e.unary), grpc.ChainStreamInterceptor(e.stream),
	}
	running, err := embed.StartEtcd(cfg)
	require.NoError(e.t, err)
	e.running = running
	select {
	case <-running.Server.ReadyNotify():
	case <-time.After(patience):
		require.Fail(e.t, "the server does not start")
	}
	e.relay.open()
}

// kill cuts the server's connections, refuses new ones, and ends it.
func (e *etcd) kill() {
	if e.running == nil {
		return
	}
	e.relay.close()
	e.running.Close()
	e.running = nil
}

func (e *etcd) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	e.count(info.FullMethod)
	if e.once(e.no, info.FullMethod) {
		return nil, status.Error(codes.Unavailable, "etcdserver: not ready")
	}
	resp, err := h(ctx, req)
	if e.once(e.lose, info.FullMethod) {
		e.relay.cut()
	}
	return resp, err
}

// once reports whether a call of the method is still to be tampered with, and counts it.
func (e *etcd) once(what map[string]int, method string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if what[method] == 0 {
		return false
	}
	what[method]--
	return true
}

func (e *etcd) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	e.count(info.FullMethod)
	return h(srv, s)
}

func (e *etcd) count(method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.served[method]++
}

func (e *etcd) seen(method string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.served[method]
}

// loseReply makes the connection break after the next call of a method has had its effect.
func (e *etcd) loseReply(method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose[method]++
}

// refuse makes the server answer UNAVAILABLE to the next call of a method.
func (e *etcd) refuse(method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.no[method]++
}

// client makes a client of the relay, with options for its connection.
func (e *etcd) client(opts ...grpc.DialOption) *clientv3.Client {
	e.t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{e.relay.address}, DialOptions: opts, Logger: zap.NewNop(),
	})
	require.NoError(e.t, err)
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

// evenkeel makes the dial options of a policy that outlasts a restart.
func evenkeel(opts ...grpcx.Option) []grpc.DialOption {
	wait := backoff.Constant(20 * time.Millisecond)
	return grpcx.DialOptions(retry.Must(retry.New(retry.Config{
		MaxAttempts: retry.Unlimited, Backoff: wait, ThrottledBackoff: wait, Budget: budget.Unlimited{},
	})), opts...)
}

// relay passes bytes between clients and a server until it is told to cut the connections.
type relay struct {
	t               *testing.T
	address, server string
	listener        net.Listener
	mu              sync.Mutex
	conns           []net.Conn
}

func (r *relay) open() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.address)
	require.NoError(r.t, err)
	r.listener = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
}

func (r *relay) close() {
	_ = r.listener.Close()
	r.cut()
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.conns = append(r.conns, client, server)
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

// freeAddress returns an address where a server can listen again after a restart: on Linux the
// host is one that no other process has.
func freeAddress(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		pid := os.Getpid()
		host = fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, 1+pid&0x7f)
	}
	l, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
