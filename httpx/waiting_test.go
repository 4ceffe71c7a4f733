package httpx_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// verdict is a server that fails first attempts, and answers others once it is told to. It counts
// the bodies that clients hold open.
type verdict struct {
	comes  chan struct{}
	open   atomic.Int64
	closed atomic.Int64 // calls of CloseIdleConnections
}

func (v *verdict) CloseIdleConnections() { v.closed.Add(1) }

func (v *verdict) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	code := http.StatusServiceUnavailable
	if r.Header.Get("X-Retry-Attempt") != "" {
		select {
		case <-v.comes:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		code = http.StatusOK
	}
	v.open.Add(1)
	body := &openBody{Reader: strings.NewReader("answer"), end: sync.OnceFunc(func() { v.open.Add(-1) })}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: body, Request: r, ContentLength: 6}, nil
}

type openBody struct {
	io.Reader
	end func()
}

func (b *openBody) Close() error { b.end(); return nil }

// crowd makes calls of which two probe and most wait or have no room, and returns their results.
func crowd(ctx context.Context, c *http.Client, n int) <-chan int {
	codes := make(chan int, n)
	for range n {
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://orders/", strings.NewReader("order"))
			if err != nil {
				panic(err)
			}
			resp, err := c.Do(req)
			if err != nil {
				codes <- 0
				return
			}
			resp.Body.Close()
			codes <- resp.StatusCode
		}()
	}
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	return codes
}

func waitingClient(waiting int, v *verdict) *http.Client {
	p := retry.Must(retry.New(retry.Config{
		Backoff: backoff.None(), ThrottledBackoff: backoff.None(), Budget: budget.Adaptive{Waiting: waiting},
	}))
	return &http.Client{Transport: httpx.NewTransport(v, p, httpx.WithBodyBuffer(1<<10))}
}

func TestWaiting_MemoryPerCallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{comes: make(chan struct{})}
		c := waitingClient(7, v)
		codes := crowd(t.Context(), c, 200)
		require.Len(t, codes, 200-2-7, "two probe, and seven wait")
		require.EqualValues(t, 7, v.open.Load(), "each of which holds its answer")
		close(v.comes)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, v.open.Load())
		saved := 0
		for range 200 {
			if <-codes == http.StatusOK {
				saved++
			}
		}
		require.Equal(t, 2+7, saved)
	})
}

func TestWaiting_CloseIdleConnectionsEndsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{comes: make(chan struct{})}
		c := waitingClient(100, v)
		codes := crowd(t.Context(), c, 50)
		c.CloseIdleConnections()
		require.EqualValues(t, 1, v.closed.Load())
		require.Empty(t, codes)
		close(v.comes)
		for range 50 {
			require.Equal(t, http.StatusOK, <-codes)
		}
	})
}

func TestWaiting_ContextEndFreesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{comes: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		codes := crowd(ctx, waitingClient(100, v), 50)
		require.EqualValues(t, 48, v.open.Load())
		from := time.Now()
		cancel()
		for range 50 {
			require.Zero(t, <-codes)
		}
		require.Zero(t, time.Since(from), "at once")
		require.Zero(t, v.open.Load())
	})
}
