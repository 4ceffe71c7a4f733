package httpx_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The calls that a connection of HTTP/2 carried when it was cut are all made again, under the
// default policy.
func TestCutConnection_LosesNoCall(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Millisecond, time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cutConnection(t, takes) })
		})
	}
}

func cutConnection(t *testing.T, takes time.Duration) {
	const calls = 50
	var served atomic.Int32
	base := pipeServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		served.Add(1)
		time.Sleep(takes)
	}), unencryptedHTTP2())
	var conns cutConns
	base.DialContext = conns.dial(base.DialContext)
	client := &http.Client{Transport: httpx.NewTransport(base, retry.Must(retry.New(retry.Config{})))}
	get := func() error {
		resp, err := client.Do(request(t, http.MethodGet, "http://pipe/", nil))
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	require.NoError(t, get())
	require.Len(t, conns.all, 1)

	var all sync.WaitGroup
	var saved atomic.Int32
	for range calls {
		all.Go(func() {
			if err := get(); err == nil {
				saved.Add(1)
			}
		})
	}
	time.Sleep(takes / 2)
	require.EqualValues(t, 1+calls, served.Load())
	require.Len(t, conns.all, 1, "on one connection")
	conns.cut()
	all.Wait()
	require.EqualValues(t, calls, saved.Load())
	require.EqualValues(t, 1+2*calls, served.Load(), "each is sent again once")
}

// cutConns are the connections of a client.
type cutConns struct {
	mu  sync.Mutex
	all []*cutConn
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

func (cs *cutConns) dial(d dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		cs.mu.Lock()
		defer cs.mu.Unlock()
		cs.all = append(cs.all, &cutConn{Conn: c})
		return cs.all[len(cs.all)-1], nil
	}
}

func (cs *cutConns) cut() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.all {
		c.reset.Store(true)
		c.Conn.Close()
	}
}

// cutConn is a connection that the network may reset.
type cutConn struct {
	net.Conn
	reset atomic.Bool
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}
