package grpcx_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// meddler is an observer that uses the very stream it is told of.
type meddler struct {
	from int // which attempt to begin with

	mu    sync.Mutex
	st    grpc.ClientStream
	heard []string
}

func (m *meddler) AttemptDone(_ context.Context, a retry.Attempt) {
	if st := m.hear(a.Outcome.Class.String(), a.Number >= m.from); st != nil {
		_ = st.SendMsg(both(""))
	}
}

func (m *meddler) CallDone(_ context.Context, r retry.Report) {
	if st := m.hear("call "+r.Reason.String(), true); st != nil {
		_ = st.CloseSend()
	}
}

// hear returns the stream if it may be used.
func (m *meddler) hear(what string, meddle bool) grpc.ClientStream {
	m.mu.Lock()
	m.heard = append(m.heard, what)
	st := m.st
	m.mu.Unlock()
	if st == nil || !meddle {
		return nil
	}
	_, _ = st.Header()
	_ = st.Trailer()
	_ = st.Context()
	return st
}

func (m *meddler) knows(st grpc.ClientStream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.st = st
}

func (m *meddler) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard
}

// endings are the ways in which a stream ends.
var endings = map[string]struct {
	duplex func(n int, st testgrpc.TestService_FullDuplexCallServer) error
	use    func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel context.CancelFunc)
	heard  []string
}{
	"a message": {
		func(_ int, st testgrpc.TestService_FullDuplexCallServer) error { return st.Send(out("a")) },
		func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, _ context.CancelFunc) {
			_, err := st.Recv()
			require.NoError(t, err)
		},
		[]string{"success", "call success"},
	},
	"a header": {
		func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			return st.SendHeader(metadata.Pairs("a", "b"))
		},
		func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, _ context.CancelFunc) {
			_, err := st.Header()
			require.NoError(t, err)
		},
		[]string{"success", "call success"},
	},
	"a refusal": {
		func(int, testgrpc.TestService_FullDuplexCallServer) error { return status.Error(codes.NotFound, "no") },
		func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, _ context.CancelFunc) {
			_, err := st.Recv()
			require.Equal(t, codes.NotFound, status.Code(err))
		},
		[]string{"rejected", "call rejected"},
	},
	"a message that is too large": {
		func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			<-st.Context().Done()
			return nil
		},
		func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, _ context.CancelFunc) {
			require.Equal(t, codes.ResourceExhausted, status.Code(st.Send(both("more than sixteen bytes"))))
		},
		[]string{"rejected", "call rejected"},
	},
	"the caller leaves": {
		func(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
			<-st.Context().Done()
			return nil
		},
		func(t *testing.T, st testgrpc.TestService_FullDuplexCallClient, cancel context.CancelFunc) {
			cancel()
			_, err := st.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
		},
		[]string{"canceled", "call canceled"},
	},
}

// Each row ends a call in another way. They hang if the observer is told while the stream waits
// for itself.
func TestStream_ObserverMayUseEndedStream(t *testing.T) {
	for name, row := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := meddler{from: 1}
				p, err := retry.New(retry.Config{}, retry.WithObserver(&m))
				require.NoError(t, err)
				s := newService()
				s.duplex = row.duplex
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				st, err := dial(t, serve(t, s), p).FullDuplexCall(ctx, grpc.MaxCallSendMsgSize(16))
				require.NoError(t, err)
				m.knows(st)
				row.use(t, st, cancel)
				synctest.Wait()
				require.Equal(t, row.heard, m.all())
			})
		})
	}
}

func TestStream_ObserverMayUseFailedStream(t *testing.T) {
	m := meddler{from: 2}
	p, err := retry.New(retry.Config{MaxAttempts: 2, Backoff: backoff.None()}, retry.WithObserver(&m))
	require.NoError(t, err)
	s := newService()
	s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
	st, err := dial(t, serve(t, s), p).FullDuplexCall(t.Context())
	require.NoError(t, err)
	m.knows(st)
	_, err = st.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, []string{"transient", "transient", "call max_attempts"}, m.all())
}

// onLast is an observer that does something when a call's last attempt has ended.
type onLast struct {
	meddler
	do func()
}

func (o *onLast) AttemptDone(_ context.Context, a retry.Attempt) {
	if a.Number == o.from {
		o.do()
	}
}

// A goroutine that sends may find the stream broken while the one that receives still tells the
// observer. The handler that returns for it must say "do not retry" all the same.
func TestStream_MarksIncomingRequestBeforeError(t *testing.T) {
	ctx, mark := layer.With(t.Context())
	o := &onLast{meddler: meddler{from: 2}}
	p, err := retry.New(retry.Config{MaxAttempts: 2, Backoff: backoff.None()}, retry.WithObserver(o))
	require.NoError(t, err)
	s := newService()
	s.duplex = func(int, testgrpc.TestService_FullDuplexCallServer) error { return unavailable() }
	st, err := dial(t, serve(t, s), p).FullDuplexCall(ctx)
	require.NoError(t, err)
	var sent error
	var spent bool
	o.do = func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			sent, spent = st.Send(both("")), mark.Spent()
		}()
		<-done
	}
	_, err = st.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, io.EOF, sent)
	require.True(t, spent)
}

func TestStream_ObserversSeeAttemptsAndCalls(t *testing.T) {
	s := newService()
	s.output = func(n int, _ *testgrpc.StreamingOutputCallRequest, st testgrpc.TestService_StreamingOutputCallServer) error {
		if n < 3 {
			return unavailable()
		}
		return st.Send(out("a"))
	}
	var seen counter
	st, err := dial(t, serve(t, s), observed(t, &seen)).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = drain(st)
	require.NoError(t, err)
	require.EqualValues(t, 3, seen.attempts.Load())
	require.EqualValues(t, 1, seen.calls.Load())
}
