package httpx_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
)

func TestProxy_RemovesMultipartFilesAndKeepsPattern(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /up/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	pattern := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpx.Handler(mux).ServeHTTP(w, r)
		pattern <- r.Pattern
	}))
	defer s.Close()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("f", "f")
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 11<<20)) // more than ParseMultipartForm keeps anyway
	require.NoError(t, err)
	require.NoError(t, form.Close())
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Post(s.URL+"/up/1", form.FormDataContentType(), &body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	text(t, resp)
	s.Close()
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, "POST /up/{id}", <-pattern)
}

func TestProxy_ReverseProxyInsideHandler(t *testing.T) {
	for name, p := range policies(t) {
		var calls atomic.Int32
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("Upgrade") != "":
				switchToEcho(w)
			case r.URL.Path == "/events":
				for range 2 {
					_, _ = io.WriteString(w, "data: x\n\n")
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			default:
				calls.Add(1)
				w.Header().Set("X-Should-Retry", "false")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		target, err := url.Parse(backend.URL)
		require.NoError(t, err)
		under := &http.Transport{}
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: httpx.NewTransport(under, p),
		}
		front := httptest.NewServer(httpx.Handler(proxy))
		c := client(t, nil)

		req := request(t, http.MethodGet, front.URL, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.Do(req)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode, name)
		_, err = io.WriteString(resp.Body.(io.Writer), "hello\n")
		require.NoError(t, err)
		require.Equal(t, "hello\n", text(t, resp), name)

		resp, err = c.Get(front.URL + "/events")
		require.NoError(t, err)
		events := make([]byte, 18)
		_, err = io.ReadFull(resp.Body, events)
		require.NoError(t, err)
		require.Equal(t, "data: x\n\ndata: x\n\n", string(events))
		require.NoError(t, resp.Body.Close())

		resp, err = c.Get(front.URL)
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, "false", resp.Header.Get("X-Should-Retry"))
		require.EqualValues(t, 1, calls.Load(), name)
		front.Close()
		under.CloseIdleConnections()
		backend.Close()
	}
}

func TestProxy_TimeoutHandlerKeepsPusher(t *testing.T) {
	inner := httpx.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Pusher); ok {
			_, _ = io.WriteString(w, "abc")
		}
	}))
	w := httptest.NewRecorder()
	http.TimeoutHandler(inner, time.Minute, "").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, "abc", w.Body.String())
}
