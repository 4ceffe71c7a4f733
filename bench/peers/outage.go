package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
)

// In an outage every attempt fails. The server that fails them is another process, so that
// processor time and allocations are the client's alone.

// serveVariable makes this program that server.
const serveVariable = "EVENKEEL_PEERS_SERVE"

// serving reports that this process was started as a server, and returns when its parent is gone.
func serving() bool {
	if os.Getenv(serveVariable) == "" {
		return false
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	e := &echo{get: func(context.Context, *text) (*text, error) { return nil, unavailable("an outage") }}
	e.start()
	go func() {
		panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(page)
		})))
	}()
	fmt.Println(l.Addr(), e.addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// outageLife is closed when this process ends, and ends the server with it.
//
//lint:ignore U1000 the collector would close it
var outageLife io.Closer

// outageServer returns the addresses of a process that answers HTTP with 503 and gRPC with
// UNAVAILABLE. It ends with this one.
var outageServer = sync.OnceValues(func() (overHTTP, overGRPC string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		panic(err)
	}
	outageLife = in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		panic(err)
	}
	overHTTP, overGRPC, _ = strings.Cut(strings.TrimSpace(line), " ")
	return overHTTP, overGRPC
})

// counting counts what is sent through it.
type counting struct {
	http.RoundTripper
	n atomic.Int64
}

// RoundTrip counts the request and sends it.
func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(req)
}

const outageSpan = 500 // calls that are timed at once

// outageWork has 16 callers send GETs that all fail.
func outageWork(name, what string, address func() string) *work {
	w := &work{name: name, what: what, paired: true, cpu: true, span: outageSpan}
	for _, l := range libraries() {
		if l.http != nil {
			w.cells = append(w.cells, outageCell(l.name, address, func(base http.RoundTripper) sender {
				return l.clientOf(thrice, base, 0)
			}))
		}
	}
	bare := outageCell("bare", address, bareSender)
	bare.bare = true
	w.cells = append(w.cells, bare)
	return w
}

func outageCell(library string, address func() string, open func(http.RoundTripper) sender) cell {
	return cell{library: library, budget: library == evenkeel, setup: func() rig {
		pool, dialed := pooled(), new(dials)
		pool.DialContext = dialed.dial
		base := &counting{RoundTripper: pool}
		send, url, ctx := open(base), "http://"+address()+"/", context.Background()
		var well atomic.Int64
		get := func() {
			if status, err := send(ctx, http.MethodGet, url, nil); err == nil && status < 500 {
				well.Add(1)
			}
		}
		return rig{
			run:   func(n int) { concurrently(n, get) },
			sent:  func() int { return int(base.n.Load()) },
			check: func() error { return noneWell(well.Load()) },
			close: func() error { pool.CloseIdleConnections(); return dialed.end() },
		}
	}}
}

// dials remembers connections, so that a library that loses them does not disturb the next.
type dials struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		d.mu.Lock()
		d.conns = append(d.conns, conn)
		d.mu.Unlock()
	}
	return conn, err
}

// end closes every connection, and reports more than the callers can use.
func (d *dials) end() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := int64(0)
	for _, conn := range d.conns {
		if conn.Close() == nil {
			left++
		}
	}
	if opened := int64(len(d.conns)); opened > 4*callers {
		return &leakError{left, opened}
	}
	return nil
}

func noneWell(n int64) error {
	if n > 0 {
		return fmt.Errorf("%d calls of an outage succeeded", n)
	}
	return nil
}

func outage503() *work {
	return outageWork("e2e/outage-503", "GETs that another process answers with a 503, every time", func() string {
		address, _ := outageServer()
		return address
	})
}

func outageRefused() *work {
	return outageWork("e2e/outage-refused", "GETs to an address where nobody listens", func() string {
		address, err := closedPort()
		if err != nil {
			panic(err)
		}
		return address
	})
}

func outageGRPC() *work {
	w := &work{
		name: "e2e/outage-grpc", what: "unary calls that another process answers with UNAVAILABLE, every time",
		paired: true, cpu: true, span: outageSpan,
	}
	for _, l := range libraries() {
		if l.dial != nil {
			w.cells = append(w.cells, outageGRPCCell(l.name, l.dial(thrice)...))
		}
	}
	bare := outageGRPCCell("bare", grpc.WithDisableRetry())
	bare.bare = true
	w.cells = append(w.cells, bare)
	return w
}

func outageGRPCCell(library string, opts ...grpc.DialOption) cell {
	return cell{library: library, budget: library == evenkeel, setup: func() rig {
		_, address := outageServer()
		sent := new(streamCounter)
		conn := (&echo{addr: address}).dial(append(opts, grpc.WithStatsHandler(sent))...)
		ctx, in := context.Background(), &text{Value: "some text"}
		var well atomic.Int64
		call := func() {
			if conn.Invoke(ctx, method, in, new(text)) == nil {
				well.Add(1)
			}
		}
		return rig{
			run:   func(n int) { concurrently(n, call) },
			sent:  func() int { return int(sent.n.Load()) },
			check: func() error { return noneWell(well.Load()) },
			close: conn.Close,
		}
	}}
}
