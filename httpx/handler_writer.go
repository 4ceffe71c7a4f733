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

// WriteString keeps what the writer below can do for io.WriteString (no copy).
func (w *writer) WriteString(s string) (int, error) { return io.WriteString(w.ResponseWriter, s) }

// FlushError returns the error of a Flush to http.ResponseController, which would lose it.
func (w *writer) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap returns the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wrapWriter returns a writer that implements what w does. HTTP/1's can be flushed and hijacked,
// HTTP/2's flushed and pushed to, and http.TimeoutHandler's only pushed to.
func wrapWriter(w http.ResponseWriter, mark *layer.Mark) http.ResponseWriter {
	wrapped := &writer{w, mark}
	f, flushes := w.(http.Flusher)
	h, hijacks := w.(http.Hijacker)
	p, pushes := w.(http.Pusher)
	switch {
	case flushes && hijacks && pushes:
		return &struct {
			*writer
			http.Flusher
			http.Hijacker
			http.Pusher
		}{wrapped, f, h, p}
	case flushes && hijacks:
		return &struct {
			*writer
			http.Flusher
			http.Hijacker
		}{wrapped, f, h}
	case flushes && pushes:
		return &struct {
			*writer
			http.Flusher
			http.Pusher
		}{wrapped, f, p}
	case hijacks && pushes:
		return &struct {
			*writer
			http.Hijacker
			http.Pusher
		}{wrapped, h, p}
	case flushes:
		return &struct {
			*writer
			http.Flusher
		}{wrapped, f}
	case hijacks:
		return &struct {
			*writer
			http.Hijacker
		}{wrapped, h}
	case pushes:
		return &struct {
			*writer
			http.Pusher
		}{wrapped, p}
	}
	return wrapped
}
