package httpx

import (
	"io"
	"net/http"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// writer adds "do not retry" to the header of an answer that fails after a call below was spent.
type writer struct {
	http.ResponseWriter
	mark *layer.Mark
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(code int) {
	if (code >= http.StatusInternalServerError || code == http.StatusTooManyRequests) && w.mark.Spent() {
		w.Header().Set(headerShouldRetry, "false")
	}
	w.ResponseWriter.WriteHeader(code)
}

// ReadFrom keeps what the writer below can do for io.Copy (sendfile).
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, r) // uses its ReadFrom, if there is one
}

// FlushError is for http.ResponseController, which would lose the error of a Flush.
func (w *writer) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The combinations that net/http's own writers come in: HTTP/1, HTTP/2, and whatever else can at least flush.
type (
	flushWriter struct {
		*writer
		http.Flusher
	}
	http1Writer struct {
		*writer
		http.Flusher
		http.Hijacker
	}
	http2Writer struct {
		*writer
		http.Flusher
		http.Pusher
	}
)

// wrapWriter returns a writer that implements what w does.
func wrapWriter(w http.ResponseWriter, mark *layer.Mark) http.ResponseWriter {
	wrapped := &writer{w, mark}
	f, ok := w.(http.Flusher)
	if !ok {
		return wrapped
	}
	if h, ok := w.(http.Hijacker); ok {
		return &http1Writer{wrapped, f, h}
	}
	if p, ok := w.(http.Pusher); ok {
		return &http2Writer{wrapped, f, p}
	}
	return &flushWriter{wrapped, f}
}
