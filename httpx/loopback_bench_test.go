//go:build unix

package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/httpx"
)

// cpu returns the CPU time of the process, which is both client and server.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoopback compares a bare client with a wrapped one over loopback, 16 callers, all well.
// Machines drift: run it with -count and compare neighbours.
func BenchmarkLoopback(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer s.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 64}
	defer base.CloseIdleConnections()
	run := func(rt http.RoundTripper) func(*testing.B) {
		c := &http.Client{Transport: rt}
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			before := cpu()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := c.Get(s.URL)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		}
	}
	b.Run("bare", run(base))
	b.Run("wrapped", run(httpx.NewTransport(base, nil)))
}
