package grpcx_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx/fault"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// Streams that fail at every point, that are cancelled, and that are left: what arrives is a
// beginning of what the server sent, all of it if the stream ended well, and no permit stays out.
func TestStreams_UnderRandomFaults(t *testing.T) {
	s := newService()
	s.duplex = func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
		for {
			m, err := st.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if rand.IntN(20) == 0 {
				return unavailable()
			}
			if err := st.Send(out(string(m.Payload.Body))); err != nil {
				return err
			}
		}
	}
	in := fault.New(1, fault.Rule{Share: 0.3, Fault: fault.Fault{Code: codes.Unavailable}},
		fault.Rule{Share: 0.2, Fault: fault.Fault{Code: codes.Unavailable, Header: true}},
		fault.Rule{Share: 0.2, Fault: fault.Fault{Code: codes.Unavailable, AfterMessages: 3}})
	books := testkit.NewLedger()
	p := policy(t, attempts(8), booked(books), func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(5 * time.Second) })
	c := dial(t, serve(t, s, grpc.StreamInterceptor(in.Stream)), p)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for range 100 {
				randomStream(t, c, worker)
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return books.Open() == 0 }, time.Minute, time.Millisecond)
	require.Positive(t, in.Hits())
}

func TestStreams_LongLivedParentLeavesNothing(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n%2 == 1 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := dial(t, serve(t, s), policy(t))
	run := func(n int) (heap uint64, goroutines int) {
		for range n {
			st, err := c.StreamingOutputCall(parent, &testgrpc.StreamingOutputCallRequest{})
			require.NoError(t, err)
			_, err = drain(st)
			require.NoError(t, err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	heap, goroutines := run(200)
	require.Eventually(t, func() bool { // the server's part of a stream ends in its own time
		after, more := run(3000)
		return after < heap+1<<20 && more < goroutines+20 // 3,000 that stay would be more than a kilobyte each
	}, time.Minute, time.Millisecond)
}

func randomStream(t *testing.T, c testgrpc.TestServiceClient, worker int) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // some are left without reading to the end
	st, err := c.FullDuplexCall(ctx)
	if err != nil {
		return
	}
	var want []string
	for i := range rand.IntN(20) {
		want = append(want, fmt.Sprint(worker, "/", i))
	}
	var sender sync.WaitGroup
	sender.Go(func() {
		for _, text := range want {
			if st.Send(both(text)) != nil {
				return
			}
		}
		_ = st.CloseSend()
	})
	if rand.IntN(5) == 0 {
		time.AfterFunc(time.Duration(rand.IntN(500))*time.Microsecond, cancel)
	}
	var got []string
	leave := rand.IntN(10) == 0
	for !leave || len(got) < 2 {
		var m *testgrpc.StreamingOutputCallResponse
		if m, err = st.Recv(); err != nil {
			break
		}
		got = append(got, string(m.Payload.Body))
	}
	if leave {
		cancel()
	}
	sender.Wait()
	if len(got) > len(want) {
		t.Errorf("got %v of %v", got, want)
		return
	}
	if fmt.Sprint(got) != fmt.Sprint(want[:len(got)]) || err == io.EOF && len(got) != len(want) {
		t.Errorf("got %v of %v, then %v (%v)", got, want, err, status.Code(err))
	}
}
