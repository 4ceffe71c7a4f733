package http

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// nginx runs one with the given directives in its http block, where LISTEN stands for a free port, and returns its
// address. The test is skipped where nginx is not installed.
func nginx(t *testing.T, directives string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http { access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi; root %[1]s;
	%[2]s
}`, dir, strings.ReplaceAll(directives, "LISTEN", address))
	path := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big"), make([]byte, 96<<10), 0o600))
	cmd := exec.Command(binary, "-p", dir, "-c", path, "-e", filepath.Join(dir, "error.log"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for range 500 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not answer: %s%s", out.String(), log)
	return ""
}

func TestNginx503WithRetryAfter(t *testing.T) {
	date := time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat)
	address := nginx(t, fmt.Sprintf(`server { listen LISTEN;
		location /seconds { add_header Retry-After 1 always; return 503; }
		location /date { add_header Retry-After %q always; return 503; }
		location /hour { add_header Retry-After 3600 always; return 503; }
	}`, date))
	cfg := quick()
	cfg.MaxAttempts = 2
	for path, bounds := range map[string][2]time.Duration{
		"/seconds": {time.Second, time.Second}, "/date": {1, 4 * time.Second},
	} {
		w := &watch{}
		resp, body, err := send(t, newClient(t, cfg, w), http.MethodGet, "http://"+address+path, "")
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		require.Contains(t, body, "503 Service Temporarily Unavailable")
		require.Len(t, w.attempts, 2)
		require.Equal(t, retry.Throttled, w.attempts[0].Outcome.Class)
		after := w.attempts[0].Outcome.After
		require.True(t, after >= bounds[0] && after <= bounds[1], "%s: asked for %v", path, after)
		require.GreaterOrEqual(t, w.attempts[1].Waited, after)
	}
	w := &watch{}
	resp, _, err := send(t, newClient(t, cfg, w), http.MethodGet, "http://"+address+"/hour", "")
	require.NoError(t, err)
	require.Len(t, w.attempts, 1)
	stopped, ok := httpx.ReportFrom(resp.Request.Context())
	require.True(t, ok)
	require.Equal(t, retry.ReasonHint, stopped.Reason)
}

func TestNginx429ByLimitReqIsThrottledAndRetried(t *testing.T) {
	address := nginx(t, `limit_req_zone $server_name zone=z:1m rate=2r/s;
	server { listen LISTEN; server_name one; limit_req zone=z; limit_req_status 429;
		location / { try_files /big =404; }
	}`)
	cfg := quick()
	cfg.ThrottledBackoff = backoff.Constant(700 * time.Millisecond)
	w := &watch{}
	c := newClient(t, cfg, w)
	for range 3 {
		resp, _, err := send(t, c, http.MethodGet, "http://"+address+"/", "")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
	require.Greater(t, len(w.attempts), 3)
	require.Equal(t, retry.Throttled, w.attempts[1].Outcome.Class)
}

func TestNginx444HangsUpAndTheCallEnds(t *testing.T) {
	address := nginx(t, `server { listen LISTEN; return 444; }`)
	for method, attempts := range map[string]int{http.MethodGet: 3, http.MethodPost: 1} {
		w := &watch{}
		_, _, err := send(t, newClient(t, quick(), w), method, "http://"+address+"/", "x")
		stopped, ok := errors.AsType[*retry.Error](err)
		require.True(t, ok)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, attempts, stopped.Attempts)
	}
}

// TestNginxKeepaliveRequestsUnderParallelPOST has a proxy that ends each HTTP/2 connection with a GOAWAY after a few
// requests. Each POST must get through, and have its effect once.
func TestNginxKeepaliveRequestsUnderParallelPOST(t *testing.T) {
	var mu sync.Mutex
	effects := map[string]int{}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		effects[string(body)]++
		mu.Unlock()
		_, _ = w.Write(body)
	}))
	defer backend.Close()
	address := nginx(t, fmt.Sprintf(`server { listen LISTEN http2; keepalive_requests 20;
		location / { proxy_pass %s; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}`, backend.URL))
	for name, body := range map[string]func(string) io.Reader{
		"GetBody":  func(s string) io.Reader { return strings.NewReader(s) },
		"buffered": func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) },
	} {
		t.Run(name, func(t *testing.T) {
			clear(effects)
			base := &http.Transport{Protocols: new(http.Protocols)}
			base.Protocols.SetUnencryptedHTTP2(true)
			defer base.CloseIdleConnections()
			cfg := quick()
			cfg.Budget = nil // the default: what a connection hands back is free
			w := &watch{}
			p := retry.Must(retry.New(cfg, retry.WithObserver(w)))
			c := http.Client{Transport: httpx.NewTransport(base, p, httpx.WithBodyBuffer(1<<10))}
			const calls = 2000
			var next atomic.Int32
			var callers sync.WaitGroup
			var failures sync.Map
			for range 16 {
				callers.Go(func() {
					for i := next.Add(1); i <= calls; i = next.Add(1) {
						id := fmt.Sprint("payment ", i)
						resp, err := c.Post("http://"+address+"/", "text/plain", body(id))
						if err != nil {
							failures.Store(id, err)
							continue
						}
						got, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if err != nil || string(got) != id {
							failures.Store(id, fmt.Sprint(resp.StatusCode, err, string(got)))
						}
					}
				})
			}
			callers.Wait()
			failures.Range(func(id, err any) bool {
				t.Errorf("%v: %v", id, err)
				return true
			})
			for id, n := range effects {
				require.Equal(t, 1, n, id)
			}
			require.Equal(t, calls, len(effects))
			t.Logf("%d attempts for %d calls", len(w.attempts), calls)
		})
	}
}

func TestNginxDripOutlivesTheAttemptTimeout(t *testing.T) {
	address := nginx(t, `server { listen LISTEN; location / { limit_rate 48k; } }`)
	cfg := quick()
	cfg.AttemptTimeout = timeout.Fixed(500 * time.Millisecond)
	w := &watch{}
	start := time.Now()
	_, body, err := send(t, newClient(t, cfg, w), http.MethodGet, "http://"+address+"/big", "")
	require.NoError(t, err)
	require.Len(t, body, 96<<10)
	require.Greater(t, time.Since(start), 500*time.Millisecond)
	require.Len(t, w.attempts, 1)
}
