package httpx_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/evenkeel-go/evenkeel/retry"
)

func refusedDial() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// switchToEcho switches to a protocol of one line, which comes back.
func switchToEcho(w http.ResponseWriter) {
	w.Header().Set("Upgrade", "echo")
	w.Header().Set("Connection", "Upgrade")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	line, _ := rw.ReadString('\n')
	_, _ = rw.WriteString(line)
	_ = rw.Flush()
}

// onceBusy answers the first request with a 503 of that header, whose body is stall's, and all
// others with an empty 200. One request at a time.
func onceBusy(header http.Header, stall func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	first := true
	return func(w http.ResponseWriter, r *http.Request) {
		if !first {
			return
		}
		first = false
		maps.Copy(w.Header(), header)
		w.WriteHeader(http.StatusServiceUnavailable)
		stall(w, r)
	}
}

// stalled flushes what was written, and sends no more.
func stalled(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// reportsOf is an observer that remembers the calls.
type reportsOf []retry.Report

func (*reportsOf) AttemptDone(context.Context, retry.Attempt)    {}
func (rs *reportsOf) CallDone(_ context.Context, r retry.Report) { *rs = append(*rs, r) }

// reason returns why the latest call stopped.
func (r *recorder) reason() retry.Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[len(r.calls)-1].Reason
}
