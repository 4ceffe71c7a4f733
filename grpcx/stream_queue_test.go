package grpcx_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
)

// verdicts are the answers of a budget to a retry, and what the caller then gets.
var verdicts = map[string]struct {
	answers  []budget.Answer
	deadline time.Duration
	from     string // the attempt whose error, trailer and messages the caller gets
	code     codes.Code
	reason   retry.Reason
	queued   bool
}{
	"granted_when_due": {answers: []budget.Answer{budget.Granted}, from: "2", code: codes.OK},
	"granted_later": {
		answers: []budget.Answer{budget.Later, budget.Later, budget.Granted}, from: "2", code: codes.OK,
	},
	"refused_when_due": {
		answers: []budget.Answer{budget.Refused}, from: "1", code: codes.Unavailable, reason: retry.ReasonBudget,
	},
	"refused_later": {
		answers: []budget.Answer{budget.Later, budget.Later, budget.Refused}, from: "1", code: codes.Unavailable,
		reason: retry.ReasonBudget, queued: true,
	},
	"too_late": {
		answers: []budget.Answer{budget.Later}, deadline: 1500 * time.Millisecond, from: "1", code: codes.Unavailable,
		reason: retry.ReasonDeadline, queued: true,
	},
}

// A stream waits for a budget that says Later, as unary calls do, and keeps the last attempt's
// error until the next attempt is granted.
func TestStream_WaitsForBudget(t *testing.T) {
	for name, row := range verdicts {
		for end, call := range queuedCalls {
			t.Run(name+"/"+end, func(t *testing.T) {
				bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
					s.duplex = func(n int, st testgrpc.TestService_FullDuplexCallServer) error {
						st.SetTrailer(metadata.Pairs("from", string(rune('0'+n))))
						if n == 1 {
							return unavailable()
						}
						return st.Send(out("a"))
					}
					q := testkit.NewQueue(row.answers...)
					ctx := t.Context()
					if row.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, row.deadline)
						defer cancel()
					}
					p := policy(t, func(c *retry.Config) {
						c.Backoff, c.Budget = backoff.Constant(time.Second), budget.Shared(q)
					})
					var trailer metadata.MD
					st, err := dial(t, to, p).FullDuplexCall(ctx, grpc.Trailer(&trailer))
					require.NoError(t, err)
					err = call(st)
					require.Equal(t, row.code, status.Code(err), "%v", err)
					require.Equal(t, []string{row.from}, trailer.Get("from"))
					require.Equal(t, []string{row.from}, st.Trailer().Get("from"))
					if row.code != codes.OK {
						e := testkit.Stopped(t, err)
						require.Equal(t, row.reason, e.Reason)
						require.Equal(t, 1, e.Attempts)
						require.Equal(t, row.queued, e.Queued > 0)
						require.Equal(t, "down", status.Convert(e.Last).Message())
					}
					require.Positive(t, q.Asks)
					q.Settled(t)
				})
			})
		}
	}
}

// queuedCalls are ways to find out that the first attempt has failed.
var queuedCalls = map[string]func(st testgrpc.TestService_FullDuplexCallClient) error{
	"receiving": func(st testgrpc.TestService_FullDuplexCallClient) error {
		_, err := drain(st)
		return err
	},
	"header": func(st testgrpc.TestService_FullDuplexCallClient) error {
		_, _ = st.Header()
		_, err := drain(st)
		return err
	},
	"sending": func(st testgrpc.TestService_FullDuplexCallClient) error {
		synctest.Wait() // the stream has ended
		_ = st.Send(both("x"))
		_, err := drain(st)
		return err
	},
}

func TestStream_CancelDuringBudgetWait(t *testing.T) {
	bubble(t, func(t *testing.T, s *service, to grpc.DialOption) {
		s.output = func(int, *testgrpc.StreamingOutputCallRequest, testgrpc.TestService_StreamingOutputCallServer) error {
			return unavailable()
		}
		q := testkit.NewQueue(budget.Later)
		p := policy(t, func(c *retry.Config) {
			c.Backoff, c.Budget = backoff.Constant(time.Second), budget.Shared(q)
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		start := time.Now()
		st, err := dial(t, to, p).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
		require.NoError(t, err)
		_, err = st.Recv()
		require.Equal(t, codes.Canceled, status.Code(err))
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
		require.Positive(t, q.Asks)
		q.Settled(t)
	})
}
