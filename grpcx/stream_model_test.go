package grpcx_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

var modelSeeds = flag.Int("stream-seeds", 60, "how many orders of events TestBidiStream_AnyOrderOfEvents tries")

// disorder makes one stream with a random order of events: it is the budget, the observer and the
// interceptor below, and rests for a random time whenever it is called and before it returns.
type disorder struct {
	mu sync.Mutex
	*rand.Rand
	*testkit.Ledger
	testkit.Watcher
	attempts []*disorderly
	finished []error
}

// disorderly is an attempt, and what was sent on it.
type disorderly struct {
	grpc.ClientStream
	d      *disorder
	ctx    context.Context
	number string
	sent   []string
}

func (d *disorder) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.IntN(n)
}

func (d *disorder) rest() { time.Sleep(time.Duration(max(0, d.below(30)-10)) * time.Millisecond) }

// around rests, and returns what rests again.
func (d *disorder) around() func() {
	d.rest()
	return d.rest
}

func (d *disorder) End(now time.Time, p budget.Permit, e budget.Evidence) {
	defer d.around()()
	d.Ledger.End(now, p, e)
}

func (d *disorder) open(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
	opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	defer d.around()()
	a := &disorderly{d: d, ctx: ctx, number: fmt.Sprint(len(d.attempts) + 1)}
	d.attempts = append(d.attempts, a)
	var err error
	a.ClientStream, err = streamer(metadata.AppendToOutgoingContext(ctx, "n", a.number), desc, cc, method, opts...)
	return a, err
}

func (a *disorderly) SendMsg(m any) error {
	defer a.d.around()()
	err := a.ClientStream.SendMsg(m)
	if err == nil {
		a.sent = append(a.sent, string(m.(*testgrpc.StreamingOutputCallRequest).Payload.Body))
	}
	return err
}

func (a *disorderly) RecvMsg(m any) error {
	defer a.d.around()()
	return a.ClientStream.RecvMsg(m)
}

func (a *disorderly) Header() (metadata.MD, error) {
	defer a.d.around()()
	return a.ClientStream.Header()
}

// answer serves the stream: it fails, or sends each message back with the attempt's number.
func (d *disorder) answer(_ int, st testgrpc.TestService_FullDuplexCallServer) error {
	number := metadata.ValueFromIncomingContext(st.Context(), "n")[0]
	d.rest()
	if d.below(3) == 0 {
		_ = st.SendHeader(nil)
		d.rest()
	}
	for d.below(8) > 0 {
		m, err := st.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = st.Send(out(number + ":" + string(m.Payload.Body)))
		}
		if err != nil {
			return err
		}
	}
	return unavailable()
}

// A message that the caller sends reaches the final attempt once and in order, and what it
// receives comes from there, in any order of events. Nothing is left behind.
func TestBidiStream_AnyOrderOfEvents(t *testing.T) {
	for range *modelSeeds {
		seed := rand.Uint64()
		bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
			d := &disorder{Rand: rand.New(rand.NewPCG(seed, 0)), Ledger: testkit.NewLedger()}
			s.duplex, d.On = d.answer, func(retry.Attempt) { d.rest() }
			if wrong := d.run(t, to); wrong != "" {
				t.Errorf("seed %d: %s", seed, wrong)
			}
		})
	}
}

// run makes the stream, and returns what is wrong with it.
func (d *disorder) run(t *testing.T, to grpc.DialOption) (wrong string) {
	cfg := retry.Config{MaxAttempts: 4, Backoff: backoff.Constant(10 * time.Millisecond), Budget: budget.Shared(d)}
	cfg.AttemptTimeout = timeout.Fixed(time.Duration(20+d.below(200)) * time.Millisecond)
	p := retry.Must(retry.New(cfg, retry.WithObserver(d)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opts := append(grpcx.DialOptions(p, grpcx.WithIdempotentMethods("*")), to, grpc.WithChainStreamInterceptor(d.open))
	st, err := testgrpc.NewTestServiceClient(conn(t, "passthrough:///test", opts...)).FullDuplexCall(ctx,
		grpc.OnFinish(func(err error) { d.finished = append(d.finished, err) }))
	require.NoError(t, err)
	defer time.AfterFunc(time.Duration(50+d.below(800))*time.Millisecond, cancel).Stop()
	var (
		caller           sync.WaitGroup
		want, got, order []string
		sends            = d.below(6)
	)
	caller.Go(func() {
		for i := range sends {
			if d.rest(); st.Send(both(fmt.Sprint(i))) != nil {
				return
			}
		}
		_ = st.CloseSend()
	})
	if d.below(3) == 0 {
		caller.Go(func() { d.rest(); _, _ = st.Header() })
	}
	for err == nil {
		d.rest()
		var m *testgrpc.StreamingOutputCallResponse
		if m, err = st.Recv(); err == nil {
			got = append(got, string(m.Payload.Body))
		}
	}
	caller.Wait()
	time.Sleep(time.Second) // the stream may have ended on a goroutine of gRPC's
	synctest.Wait()
	for _, a := range d.attempts {
		want = nil
		for i, text := range a.sent {
			if text != fmt.Sprint(i) {
				return fmt.Sprintf("sent %q on attempt %s", a.sent, a.number)
			}
			want = append(want, a.number+":"+text)
		}
		if a.ctx.Err() == nil {
			return "the context of attempt " + a.number + " is left"
		}
		order = append(order, "attempt "+a.number)
	}
	switch n := len(got); {
	case n > len(want) || !slices.Equal(got, want[:n]) || err == io.EOF && n != sends:
		return fmt.Sprintf("received %q of %q, then %v", got, want, err)
	case !slices.Equal(d.Order, append(order, "call")):
		return fmt.Sprintf("observed %q", d.Order)
	case len(d.finished) != 1 || d.Open() > 0 || len(d.Wrong) > 0:
		return fmt.Sprintf("finished %v, %d permits left, %v", d.finished, d.Open(), d.Wrong)
	}
	return ""
}
