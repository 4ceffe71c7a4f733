package httpx

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// writer adds "do not retry" to the header of an answer that fails after a call below was spent,
// or whose retry the server's budget does not afford.
type writer struct {
	http.ResponseWriter
	mark    *layer.Mark
	ctx     context.Context // the client's: done once the client has given up
	budget  *budget.Answers // nil: none
	request int64           // its number there
	decided bool            // the answer's header was written, or cannot change any more
}

func (w *writer) WriteHeader(code int) {
	final := code >= http.StatusOK || code == http.StatusSwitchingProtocols
	if final && !w.decided {
		w.decide(code)
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *writer) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// begin is called before a body is written, which is an answer of 200 if there was none.
func (w *writer) begin() {
	if !w.decided {
		w.decide(http.StatusOK)
	}
}

// decide adds "do not retry" to the header of an answer with this status, if it must say so. For
// the budget the request ends here: what streams for hours is not in hand for as long.
func (w *writer) decide(code int) {
	w.decided = true
	o := retry.Outcome{Alive: true}
	if code >= http.StatusBadRequest {
		o = classifyStatus(code)
		spent := (code >= http.StatusInternalServerError || code == http.StatusTooManyRequests) && w.mark.Spent()
		if spent || w.unaffordable(o) {
			w.Header().Set(headerShouldRetry, "false")
		}
	}
	if w.budget != nil {
		w.budget.End(w.request, o.Alive)
	}
}

// unaffordable reports whether an answer invites a retry for which the budget has nothing left; if
// it has, it pays.
func (w *writer) unaffordable(o retry.Outcome) bool {
	switch {
	case w.budget == nil || o.Class == retry.Rejected:
		return false
	case w.Header().Get(headerShouldRetry) == "false": // the handler has said so
		return false
	case w.ctx.Err() == context.Canceled: // the client has given up
		return false
	}
	return !w.budget.Fail()
}

// end is called when the handler has returned, or panicked: then what recovers it may still answer
// with 500.
func (w *writer) end(panicked bool) {
	switch {
	case w.decided:
	case panicked:
		w.decide(http.StatusInternalServerError)
	default:
		w.decide(http.StatusOK)
	}
}

// ReadFrom keeps what the writer below can do for io.Copy (sendfile).
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r) // uses its ReadFrom, if there is one
}

// WriteString keeps what the writer below can do for io.WriteString (no copy).
func (w *writer) WriteString(s string) (int, error) {
	w.begin()
	return io.WriteString(w.ResponseWriter, s)
}

// FlushError returns the error of a Flush to http.ResponseController, which would lose it.
func (w *writer) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err == nil {
		w.begin()
	}
	return err
}

// Unwrap returns the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// flusher makes a writer an http.Flusher, as the writer below is.
type flusher struct{ w *writer }

// Flush begins an answer of 200 if there was none.
func (f flusher) Flush() {
	f.w.begin()
	f.w.ResponseWriter.(http.Flusher).Flush()
}

// hijacker makes a writer an http.Hijacker, as the writer below is.
type hijacker struct{ w *writer }

// Hijack ends the request for the budget, as an answer does: a WebSocket may go on for hours.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := h.w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		h.w.begin()
	}
	return conn, rw, err
}

// wrapWriter returns wrapped as a writer that implements what the one below does. HTTP/1's can be
// flushed and hijacked, HTTP/2's flushed and pushed to, and http.TimeoutHandler's only pushed to.
func wrapWriter(wrapped *writer) http.ResponseWriter {
	w := wrapped.ResponseWriter
	_, flushes := w.(http.Flusher)
	_, hijacks := w.(http.Hijacker)
	p, pushes := w.(http.Pusher)
	switch {
	case flushes && hijacks && pushes:
		return &struct {
			*writer
			flusher
			hijacker
			http.Pusher
		}{wrapped, flusher{wrapped}, hijacker{wrapped}, p}
	case flushes && hijacks:
		return &struct {
			*writer
			flusher
			hijacker
		}{wrapped, flusher{wrapped}, hijacker{wrapped}}
	case flushes && pushes:
		return &struct {
			*writer
			flusher
			http.Pusher
		}{wrapped, flusher{wrapped}, p}
	case hijacks && pushes:
		return &struct {
			*writer
			hijacker
			http.Pusher
		}{wrapped, hijacker{wrapped}, p}
	case flushes:
		return &struct {
			*writer
			flusher
		}{wrapped, flusher{wrapped}}
	case hijacks:
		return &struct {
			*writer
			hijacker
		}{wrapped, hijacker{wrapped}}
	case pushes:
		return &struct {
			*writer
			http.Pusher
		}{wrapped, p}
	}
	return wrapped
}
