package fault

import (
	"io"
	"net"
	"net/http"
	"strconv"
)

// Handler returns a handler that puts the faults of a plan in front of next. It panics if either
// is nil. A Reset closes the connection of an HTTP/1 request with a TCP reset, and resets the
// stream of an HTTP/2 request.
func Handler(next http.Handler, plan Plan) http.Handler {
	if next == nil || plan == nil {
		panic("fault: Handler: nil handler or plan")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := plan(r)
		if sleep(r.Context(), f.Latency) != nil {
			return
		}
		if f.Reset || f.Refuse {
			reset(w)
			return
		}
		if f.Partial != 0 {
			w = &partialWriter{ResponseWriter: w, left: max(f.Partial, 0)}
		}
		if f.Status == 0 {
			next.ServeHTTP(w, r)
			return
		}
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	})
}

// reset breaks the connection or, over HTTP/2, resets the stream.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// partialWriter flushes left bytes of the body and then breaks the connection.
type partialWriter struct {
	http.ResponseWriter
	left int
}

func (w *partialWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	w.left -= n
	if err == nil && w.left == 0 {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *partialWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
