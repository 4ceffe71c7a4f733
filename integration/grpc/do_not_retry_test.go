package grpc_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The recipes of docs/wire-format.md for answers that a proxy makes itself.
const (
	nginxRecipe = `		error_page 502 504 = /unanswered;
		location = /unanswered {
			internal;
			add_header Content-Type application/grpc always;
			add_header grpc-status 14 always;
			add_header grpc-message unanswered always;
			add_header grpc-retry-pushback-ms -1 always;
			return 204;
		}`
	haproxyRecipe = `	http-error status 503 file /dev/null hdr grpc-status 14 hdr grpc-retry-pushback-ms -1
	http-error status 504 file /dev/null hdr grpc-status 14 hdr grpc-retry-pushback-ms -1
	http-after-response set-header content-type application/grpc if { status 503 504 }
	http-after-response set-status 200 if { status 503 504 }`
)

func TestProxies_RecipesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/wire-format.md")
	require.NoError(t, err)
	for _, recipe := range []string{nginxRecipe, haproxyRecipe} {
		for line := range strings.Lines(recipe) {
			require.Contains(t, string(page), strings.TrimSpace(line))
		}
	}
}

// behind starts a proxy in front of a backend and returns its address.
func behind(t *testing.T, proxy, to string) (listen string) {
	t.Helper()
	listen, dir := freeAddress(t), t.TempDir()
	if proxy == "nginx" {
		start(t, listen, fmt.Sprintf(`
daemon off;
master_process off;
pid %[2]s/pid;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[2]s; proxy_temp_path %[2]s; fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;
	server {
		listen %[1]s http2;
		location / { grpc_pass grpc://%[3]s; }
%[4]s
	}
}`, listen, dir, to, nginxRecipe), func(file string) []string { return []string{"nginx", "-c", file, "-e", dir + "/error.log"} })
		return listen
	}
	start(t, listen, fmt.Sprintf(`
defaults
	mode http
	timeout connect 1s
	timeout client 10s
	timeout server 10s
	retries 0
frontend in
	bind %s proto h2
	default_backend out
%s
backend out
	server one %s proto h2
`, listen, haproxyRecipe, to), func(file string) []string { return []string{"haproxy", "-q", "-db", "-f", file} })
	return listen
}

func TestProxies_OwnAnswersSayDoNotRetry(t *testing.T) {
	for _, proxy := range []string{"nginx", "haproxy"} {
		t.Run(proxy, func(t *testing.T) {
			_, err := client(t, behind(t, proxy, backend(t))).EmptyCall(t.Context(), &testgrpc.Empty{})
			require.NoError(t, err)

			listen := behind(t, proxy, freeAddress(t))
			var trailer metadata.MD
			_, err = client(t, listen, grpc.WithDisableRetry()).EmptyCall(t.Context(), &testgrpc.Empty{}, grpc.Trailer(&trailer))
			require.Equal(t, codes.Unavailable, status.Code(err), err)
			require.Equal(t, []string{"-1"}, trailer.Get("grpc-retry-pushback-ms"))

			seen := 0
			p := retry.Must(retry.New(retry.Config{}, retry.WithObserver(counter{&seen})))
			c := client(t, listen, grpcx.DialOptions(p, grpcx.WithIdempotentMethods("*"))...)
			_, err = c.EmptyCall(t.Context(), &testgrpc.Empty{})
			require.Equal(t, codes.Unavailable, status.Code(err))
			require.Equal(t, 1, seen)
		})
	}
}

// counter counts attempts.
type counter struct{ n *int }

func (c counter) AttemptDone(context.Context, retry.Attempt) { *c.n++ }
func (counter) CallDone(context.Context, retry.Report)       {}
