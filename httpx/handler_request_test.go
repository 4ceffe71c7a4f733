package httpx_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
)

// TestHandler_OuterHandlersSeeRequest has a handler around httpx.Handler look at its request
// afterwards, as an access log does.
func TestHandler_OuterHandlersSeeRequest(t *testing.T) {
	for name, fail := range map[string]func(){"returns": func() {}, "panics": func() { panic(http.ErrAbortHandler) }} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /up/{id}", func(_ http.ResponseWriter, r *http.Request) {
				require.Equal(t, "c", r.FormValue("b"))
				fail()
			})
			r := httptest.NewRequest(http.MethodPost, "/up/1?a=1", strings.NewReader("b=c"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			func() {
				defer func() { _ = recover() }()
				httpx.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
			}()
			require.Equal(t, "POST /up/{id}", r.Pattern)
			require.Equal(t, url.Values{"a": {"1"}, "b": {"c"}}, r.Form)
			require.Equal(t, url.Values{"b": {"c"}}, r.PostForm)
		})
	}
}

// TestHandler_UnannouncedTrailer sends a trailer without the header of that name, which net/http's
// client does not.
func TestHandler_UnannouncedTrailer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		got := make(chan http.Header, 1)
		server := &http.Server{Handler: httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.Empty(t, r.Trailer)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, "hello", string(body))
			got <- r.Trailer
		}))}
		go func() { _ = server.Serve(l) }()
		conn, err := l.dial(context.Background(), "", "")
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")
		require.NoError(t, err)
		require.Equal(t, http.Header{"X-Sum": {"7"}}, <-got)
		require.NoError(t, errors.Join(conn.Close(), server.Close()))
	})
}

// TestHandler_KeepsCloseNotifier has handlers look for what gin, for one, takes for granted.
func TestHandler_KeepsCloseNotifier(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, flushes := w.(http.Flusher)
				_, hijacks := w.(http.Hijacker)
				_, pushes := w.(http.Pusher)
				//lint:ignore SA1019 see above
				_, notifies := w.(http.CloseNotifier)
				if flushes && hijacks != h2 && pushes == h2 && notifies {
					_, _ = io.WriteString(w, "all")
				}
			})))
			s.EnableHTTP2 = h2
			s.StartTLS()
			defer s.Close()
			resp, err := s.Client().Get(s.URL)
			require.NoError(t, err)
			require.Equal(t, "all", text(t, resp))
		})
	}
}
