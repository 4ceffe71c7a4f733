package httpx_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
)

// tunnels are requests that begin a conversation.
var tunnels = map[string]func(*http.Request){
	"websocket": func(r *http.Request) {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
	},
	"another protocol, among others": func(r *http.Request) {
		r.Header.Set("Connection", "keep-alive, Upgrade")
		r.Header["Upgrade"] = []string{"h2c", "SPDY/3.1, tcp"}
	},
	"CONNECT": func(r *http.Request) { r.Method = http.MethodConnect },
	"extended CONNECT": func(r *http.Request) {
		r.Method = http.MethodConnect
		r.Header[":protocol"] = []string{"websocket"}
	},
}

func TestUpgrade_DialDeadlineIsNotSent(t *testing.T) {
	for name, p := range policies(t) {
		for kind, set := range tunnels {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					req := request(t, http.MethodGet, "http://host/", nil).WithContext(ctx)
					set(req)
					given := len(req.Header)
					_, err := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
						require.Len(t, r.Header, given)
						require.NotContains(t, r.Header, "Request-Timeout")
						deadline, _ := r.Context().Deadline()
						require.Equal(t, time.Second, time.Until(deadline), "the dial is bounded all the same")
						return reply(200, http.NoBody), nil
					}), p).RoundTrip(req)
					require.NoError(t, err)
				})
			})
		}
	}
}

func TestUpgrade_HandlerSetsNoDeadline(t *testing.T) {
	for kind, set := range tunnels {
		for name, value := range map[string]string{
			"Request-Timeout": "1s", "X-Envoy-Expected-Rq-Timeout-Ms": "1", "Grpc-Timeout": "1S", "Connect-Timeout-Ms": "0",
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			set(r)
			r.Header.Set(name, value)
			called := false
			httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				called = true
				_, ok := r.Context().Deadline()
				require.False(t, ok, "%s: %s", kind, name)
			})).ServeHTTP(httptest.NewRecorder(), r)
			require.True(t, called, "%s: %s", kind, name)
		}
	}
}

// A client that offers HTTP/2 without TLS still sends a request, and HTTP answers it.
func TestUpgrade_ToHTTPIsPlainRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		r.Header.Set("Upgrade", "h2c")
		r.Header.Set("Request-Timeout", "2s")
		called := false
		httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			called = true
			deadline, _ := r.Context().Deadline()
			require.Equal(t, 2*time.Second, time.Until(deadline))
		})).ServeHTTP(httptest.NewRecorder(), r)
		require.True(t, called)
	})
}

func TestUpgrade_ConnectionOutlivesDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under := pipeServer(t, httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := rw.ReadString('\n')
			if ctx.Err() != nil {
				line = ctx.Err().Error()
			}
			_, _ = io.WriteString(conn, line)
		})))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := request(t, http.MethodGet, "http://pipe/", nil).WithContext(ctx)
		tunnels["websocket"](req)
		resp, err := httpx.NewTransport(under, policy(t, nil)).RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		time.Sleep(time.Minute) // far beyond the dial's deadline
		_, err = io.WriteString(resp.Body.(io.Writer), "hello\n")
		require.NoError(t, err)
		require.Equal(t, "hello\n", text(t, resp))
	})
}
