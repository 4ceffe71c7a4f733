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

// writer adds "do not retry" to the header of a failure if a call below was given up, or if the
// server's budget cannot pay for the retry.
type writer struct {
	http.ResponseWriter
	mark    *layer.Mark
	ctx     context.Context // the client's: done once the client has given up
	budget  *budget.Answers // nil: none
	request int64           // returned by budget.Begin
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

// begin is called before the body is written. Without a WriteHeader before that, the status is
// 200.
func (w *writer) begin() {
	if !w.decided {
		w.decide(http.StatusOK)
	}
}

// decide adds "do not retry" to the header of an answer with this status if needed. For the budget
// the request ends here, so that one that streams for hours does not count as under way.
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

// unaffordable reports whether an answer invites a retry that the budget cannot pay for. It
// charges the budget if it can.
func (w *writer) unaffordable(o retry.Outcome) bool {
	switch {
	case w.budget == nil || o.Class == retry.Rejected:
		return false
	case w.Header().Get(headerShouldRetry) == "false": // by the handler
		return false
	case w.ctx.Err() == context.Canceled: // the client has given up
		return false
	}
	return !w.budget.Fail()
}

// end is called when the handler has returned or panicked. An outer handler that recovers a panic
// may still answer with 500.
func (w *writer) end(panicked bool) {
	switch {
	case w.decided:
	case panicked:
		w.decide(http.StatusInternalServerError)
	default:
		w.decide(http.StatusOK)
	}
}

// ReadFrom lets io.Copy use the ReadFrom of the writer below (sendfile).
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r) // uses its ReadFrom, if there is one
}

// WriteString lets io.WriteString use the WriteString of the writer below, which needs no copy.
func (w *writer) WriteString(s string) (int, error) {
	w.begin()
	return io.WriteString(w.ResponseWriter, s)
}

// FlushError flushes for http.ResponseController, which gets no error from Flush.
func (w *writer) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err == nil {
		w.begin()
	}
	return err
}

// Unwrap returns the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// flusher makes a writer an http.Flusher, like the writer below.
type flusher struct{ w *writer }

// Flush begins an answer of 200 if there was none.
func (f flusher) Flush() {
	f.w.begin()
	f.w.ResponseWriter.(http.Flusher).Flush()
}

// hijacker makes a writer an http.Hijacker, like the writer below.
type hijacker struct{ w *writer }

// Hijack ends the request for the budget, as decide does: a WebSocket may go on for hours.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := h.w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		h.w.begin()
	}
	return conn, rw, err
}

// wrapWriter returns wrapped with the optional interfaces of the writer below. That of HTTP/1 is a
// Flusher, Hijacker and CloseNotifier, that of HTTP/2 a Flusher, Pusher and CloseNotifier, that of
// http.TimeoutHandler a Pusher.
func wrapWriter(wrapped *writer) http.ResponseWriter {
	w := wrapped.ResponseWriter
	//lint:ignore SA1019 frameworks such as gin panic without it
	if c, notifies := w.(http.CloseNotifier); notifies {
		if own := wrapNotifier(wrapped, c); own != nil {
			return own
		}
	}
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

// wrapNotifier returns wrapped with the optional interfaces of net/http's own writers, or nil if
// c, the writer below, is like neither.
//
//lint:ignore SA1019 as above
func wrapNotifier(wrapped *writer, c http.CloseNotifier) http.ResponseWriter {
	_, flushes := c.(http.Flusher)
	_, hijacks := c.(http.Hijacker)
	p, pushes := c.(http.Pusher)
	switch {
	case flushes && hijacks && !pushes:
		return &struct {
			*writer
			flusher
			hijacker
			http.CloseNotifier
		}{wrapped, flusher{wrapped}, hijacker{wrapped}, c}
	case flushes && pushes && !hijacks:
		return &struct {
			*writer
			flusher
			http.Pusher
			http.CloseNotifier
		}{wrapped, flusher{wrapped}, p, c}
	}
	return nil
}
