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
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// nginx runs one with the given directives in its http block, where LISTEN stands for a free port,
// and returns its address. The test is skipped where nginx is not installed.
func nginx(t *testing.T, directives string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	l, err := net.Listen("tcp", ownHost()+":0")
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
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
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
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx ended: %s%s", out.String(), log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ownHost returns an address of the loopback interface that no other process has: a port that is
// let go of on 127.0.0.1 may be another's by the time that a proxy listens there. Only Linux has
// the rest of 127/8 by itself.
func ownHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, 1+pid&0x7f)
}

func TestNginx_RetryAfter(t *testing.T) {
	address := nginx(t, `server { listen LISTEN;
		location / { add_header Retry-After $http_after always; return 503; }
	}`)
	cfg := quick()
	cfg.MaxAttempts = 2
	ask := func(after string, w *watch) *http.Response {
		req, err := http.NewRequest(http.MethodGet, "http://"+address, nil)
		require.NoError(t, err)
		req.Header.Set("After", after)
		resp, err := newClient(t, cfg, w).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 503, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), "503 Service Temporarily Unavailable")
		return resp
	}
	t.Run("seconds", func(t *testing.T) {
		w := &watch{}
		ask("1", w)
		require.Len(t, w.attempts, 2)
		require.Equal(t, retry.Throttled, w.attempts[0].Outcome.Class)
		require.Equal(t, time.Second, w.attempts[0].Outcome.After)
		require.GreaterOrEqual(t, w.attempts[1].Waited, time.Second)
	})
	t.Run("date", func(t *testing.T) {
		start := time.Now()
		until := start.Add(3 * time.Second).Truncate(time.Second)
		var answered time.Time // on a busy machine some of the three seconds are over by then
		w := &watch{then: func(a retry.Attempt) {
			if a.Number == 1 {
				answered = time.Now()
			}
		}}
		ask(until.UTC().Format(http.TimeFormat), w)
		require.Len(t, w.attempts, 2)
		require.Equal(t, retry.Throttled, w.attempts[0].Outcome.Class)
		after := w.attempts[0].Outcome.After
		require.GreaterOrEqual(t, after, until.Sub(answered))
		require.LessOrEqual(t, after, until.Sub(start)+time.Second)
		require.GreaterOrEqual(t, w.attempts[1].Waited, after)
	})
	t.Run("hour", func(t *testing.T) {
		w := &watch{}
		resp := ask("3600", w)
		require.Len(t, w.attempts, 1)
		stopped, ok := httpx.ReportFrom(resp.Request.Context())
		require.True(t, ok)
		require.Equal(t, retry.ReasonHint, stopped.Reason)
	})
}

func TestNginx_LimitReqIsThrottled(t *testing.T) {
	address := nginx(t, `limit_req_zone $server_name zone=z:1m rate=60r/m;
	server { listen LISTEN; server_name one; limit_req zone=z; limit_req_status 429;
		location / { try_files /big =404; }
	}`)
	cfg := quick()
	cfg.ThrottledBackoff = backoff.Constant(1200 * time.Millisecond)
	w := &watch{}
	c := newClient(t, cfg, w)
	throttled := func() bool {
		return slices.ContainsFunc(w.attempts, func(a retry.Attempt) bool { return a.Outcome.Class == retry.Throttled })
	}
	for !throttled() { // on any but the busiest machine the second call comes within the second
		resp, _, err := send(t, c, http.MethodGet, "http://"+address+"/", "")
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
}

func TestNginx_HangUpEndsCall(t *testing.T) {
	address := nginx(t, `server { listen LISTEN; return 444; }`)
	for method, attempts := range map[string]int{http.MethodGet: 3, http.MethodPost: 1} {
		w := &watch{}
		_, _, err := send(t, newClient(t, quick(), w), method, "http://"+address+"/", "x")
		require.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "%v", err)
		require.Len(t, w.attempts, attempts)
	}
}

// pay posts so many payments, 16 at a time, and returns the error of each that fails.
func pay(c *http.Client, url string, calls int, body func(string) io.Reader) (failures *sync.Map) {
	var next atomic.Int32
	var callers sync.WaitGroup
	failures = new(sync.Map)
	for range 16 {
		callers.Go(func() {
			for i := next.Add(1); int(i) <= calls; i = next.Add(1) {
				id := fmt.Sprint("payment ", i)
				resp, err := c.Post(url, "text/plain", body(id))
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
	return failures
}

// TestNginx_KeepaliveRequestsUnderParallelPOST has a proxy that ends each HTTP/2 connection with a
// GOAWAY after a few requests. Each POST must get through, and have its effect once.
func TestNginx_KeepaliveRequestsUnderParallelPOST(t *testing.T) {
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
			cfg.Budget = nil     // the default: what a connection hands back is free
			cfg.MaxAttempts = 10 // the slower the machine, the more often a call meets a GOAWAY
			w := &watch{}
			p := retry.Must(retry.New(cfg, retry.WithObserver(w)))
			c := http.Client{Transport: httpx.NewTransport(base, p, httpx.WithBodyBuffer(1<<10))}
			const calls = 2000
			failures := pay(&c, "http://"+address+"/", calls, body)
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

func TestNginx_DripOutlivesAttemptTimeout(t *testing.T) {
	address := nginx(t, `server { listen LISTEN; location / { limit_rate 12k; } }`)
	cfg := quick()
	cfg.AttemptTimeout = timeout.Fixed(5 * time.Second) // for the header; the body takes seven seconds
	w := &watch{}
	start := time.Now()
	_, body, err := send(t, newClient(t, cfg, w), http.MethodGet, "http://"+address+"/big", "")
	require.NoError(t, err)
	require.Len(t, body, 96<<10)
	require.Greater(t, time.Since(start), 5*time.Second)
	require.Len(t, w.attempts, 1)
}
