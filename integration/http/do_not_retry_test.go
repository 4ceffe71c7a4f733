package http

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The recipes of docs/wire-format.md for answers that a proxy makes itself.
const (
	nginxMap    = `map $upstream_header_time $do_not_retry { ~-$ false; }`
	nginxHeader = `add_header X-Should-Retry $do_not_retry always;`

	haproxyRules = `	http-response set-var(txn.answered) bool(true)
	http-after-response set-header X-Should-Retry false if { status ge 500 } !{ var(txn.answered) -m bool }`
)

func TestProxies_RecipesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/wire-format.md")
	require.NoError(t, err)
	for _, recipe := range []string{nginxMap, nginxHeader, haproxyRules} {
		for line := range strings.Lines(recipe) {
			require.Contains(t, string(page), strings.TrimSpace(line))
		}
	}
}

// dead returns an address at which nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ownHost()+":0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// haproxy runs one in front of a server with the given rules, and returns its address. The test is
// skipped where haproxy is not installed.
func haproxy(t *testing.T, server, rules string) string {
	t.Helper()
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed")
	}
	address := dead(t)
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
defaults
	mode http
	timeout connect 1s
	timeout client 10s
	timeout server 100ms
	retries 0
frontend in
	bind %s
	default_backend out
%s
backend out
	server one %s
`, address, rules, server), 0o600))
	cmd := exec.Command(binary, "-q", "-db", "-f", path)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		select {
		case <-ended:
			t.Fatal("haproxy ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestProxies_OwnAnswersSayDoNotRetry(t *testing.T) {
	stuck := make(chan struct{})
	alive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stuck":
			select {
			case <-stuck:
			case <-r.Context().Done():
			}
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer alive.Close()
	defer close(stuck)
	for proxy, front := range map[string]func(t *testing.T, server string) string{
		"nginx": func(t *testing.T, server string) string {
			return nginx(t, nginxMap+` server { listen LISTEN; `+nginxHeader+`
				location / { proxy_pass http://`+server+`; proxy_read_timeout 100ms; } }`)
		},
		"haproxy": func(t *testing.T, server string) string { return haproxy(t, server, haproxyRules) },
	} {
		for name, test := range map[string]struct {
			server, path string
			code         []int
			attempts     int
		}{
			"a dead server":       {"", "/", []int{502, 503}, 1},
			"a server that hangs": {alive.Listener.Addr().String(), "/stuck", []int{504}, 1},
			"its own answer":      {alive.Listener.Addr().String(), "/down", []int{503}, 3},
			"a success":           {alive.Listener.Addr().String(), "/", []int{200}, 1},
		} {
			t.Run(proxy+"/"+name, func(t *testing.T) {
				server := test.server
				if server == "" {
					server = dead(t)
				}
				var w watch
				resp, err := newClient(t, quick(), &w).Get("http://" + front(t, server) + test.path)
				require.NoError(t, err)
				defer resp.Body.Close()
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				require.Contains(t, test.code, resp.StatusCode)
				require.Len(t, w.attempts, test.attempts)
				if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok && test.attempts == 1 {
					require.Equal(t, retry.ReasonNoRetry, stopped.Reason)
				}
			})
		}
	}
}
