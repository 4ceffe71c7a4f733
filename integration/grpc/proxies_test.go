package grpc_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// backend serves gRPC's test service on loopback and returns its address.
func backend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(srv, interop.NewTestServer())
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return l.Addr().String()
}

// freeAddress is one where a proxy can listen.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// start runs a program with a configuration file until the test ends, and waits until it listens.
func start(t *testing.T, listen, config string, command func(file string) []string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "proxy.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	args := command(file)
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s", args[0], args[0])
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", listen)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return cmd
}

func client(t *testing.T, target string, opts ...grpc.DialOption) testgrpc.TestServiceClient {
	t.Helper()
	cc, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return testgrpc.NewTestServiceClient(cc)
}

func nginx(t *testing.T, keepaliveRequests int) string {
	listen, to, dir := freeAddress(t), backend(t), t.TempDir()
	start(t, listen, fmt.Sprintf(`
daemon off;
master_process off;
pid %[3]s/pid;
error_log %[3]s/error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[3]s; proxy_temp_path %[3]s; fastcgi_temp_path %[3]s; uwsgi_temp_path %[3]s; scgi_temp_path %[3]s;
	upstream backend { server %[2]s; keepalive 32; }
	server {
		listen %[1]s http2;
		keepalive_requests %[4]d;
		location / { grpc_pass grpc://backend; }
	}
}`, listen, to, dir, keepaliveRequests), func(file string) []string { return []string{"nginx", "-c", file, "-e", dir + "/error.log"} })
	return listen
}

// failures makes so many unary calls, some in parallel, and counts those that fail, by error.
func failures(ctx context.Context, c testgrpc.TestServiceClient, calls, parallel int) (n int64, texts map[string]int) {
	var failed, left atomic.Int64
	left.Store(int64(calls))
	texts = map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := c.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
					failed.Add(1)
					mu.Lock()
					texts[err.Error()]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed.Load(), texts
}

// A proxy that closes each connection after five requests, under load: GOAWAY all the time. The same calls without
// evenkeel show that the fault is there.
func TestNginxClosingConnectionsUnderLoadHardlySurfaces(t *testing.T) {
	addr := nginx(t, 5)
	plain, texts := failures(t.Context(), client(t, addr), 2_000, 8)
	t.Logf("plain gRPC-Go: %d of 2,000 failed: %v", plain, texts)
	require.Greater(t, plain, int64(20))
	p := retry.Must(retry.New(retry.Config{}))
	failed, texts := failures(t.Context(), client(t, addr, grpcx.DialOptions(p)...), 10_000, 8)
	t.Logf("evenkeel: %d of 10,000 failed: %v", failed, texts)
	require.LessOrEqual(t, failed, int64(5))
}

func TestNginxStreams(t *testing.T) {
	p := retry.Must(retry.New(retry.Config{}))
	c := client(t, nginx(t, 5), grpcx.DialOptions(p)...)
	for range 100 {
		interop.DoServerStreaming(t.Context(), c)
		interop.DoPingPong(t.Context(), c)
	}
}

// A backend that is down behind nginx: 502, which gRPC takes as UNAVAILABLE.
func TestNginxWithoutABackend(t *testing.T) {
	listen, dir := freeAddress(t), t.TempDir()
	start(t, listen, fmt.Sprintf(`
daemon off;
master_process off;
pid %[2]s/pid;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[2]s; proxy_temp_path %[2]s; fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;
	server { listen %[1]s http2; location / { grpc_pass grpc://%[3]s; } }
}`, listen, dir, freeAddress(t)), func(file string) []string { return []string{"nginx", "-c", file, "-e", dir + "/error.log"} })
	p := retry.Must(retry.New(retry.Config{}))
	_, err := client(t, listen, grpcx.DialOptions(p)...).EmptyCall(t.Context(), &testgrpc.Empty{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Attempts)
}

// haproxy starts one, which takes over from the processes given.
func haproxy(t *testing.T, listen, to string, from ...*exec.Cmd) *exec.Cmd {
	return start(t, listen, fmt.Sprintf(`
global
	grace 0
defaults
	mode http
	timeout connect 2s
	timeout client 30s
	timeout server 30s
frontend in
	bind %s proto h2
	default_backend out
backend out
	server one %s proto h2
`, listen, to), func(file string) []string {
		args := []string{"haproxy", "-q", "-db", "-f", file}
		for _, cmd := range from {
			args = append(args, "-sf", strconv.Itoa(cmd.Process.Pid))
		}
		return args
	})
}

// Reloads of haproxy under load: the old process says goodbye on its connections, a new one takes over the port.
func TestHaproxyReloadsUnderLoadHardlySurface(t *testing.T) {
	listen, to := freeAddress(t), backend(t)
	old := haproxy(t, listen, to)
	p := retry.Must(retry.New(retry.Config{}))
	c := client(t, listen, grpcx.DialOptions(p)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for range 5 {
			old = haproxy(t, listen, to, old)
			select {
			case <-ctx.Done():
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
	failed, texts := failures(t.Context(), c, 10_000, 8)
	cancel()
	reloads.Wait()
	t.Logf("%d of 10,000 failed: %v", failed, texts)
	require.LessOrEqual(t, failed, int64(5))
}

func TestHaproxyStreams(t *testing.T) {
	listen := freeAddress(t)
	haproxy(t, listen, backend(t))
	p := retry.Must(retry.New(retry.Config{}))
	c := client(t, listen, grpcx.DialOptions(p)...)
	interop.DoEmptyUnaryCall(t.Context(), c)
	interop.DoLargeUnaryCall(t.Context(), c)
	interop.DoClientStreaming(t.Context(), c)
	interop.DoServerStreaming(t.Context(), c)
	interop.DoPingPong(t.Context(), c)
	interop.DoCancelAfterFirstResponse(t.Context(), c)
}
