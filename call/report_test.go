package call_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/call"
)

func TestAttempt_String(t *testing.T) {
	secret := errors.New(`Get "http://example.com/?card=SECRET": EOF`)
	limit := &call.TimeoutError{Err: secret, Limit: time.Second}
	for want, a := range map[string]call.Attempt{
		"attempt 2 of 3 failed (HTTP 503), retrying in 120ms": {
			Number: 2, Max: 3, Status: "HTTP 503", Outcome: call.Outcome{Class: call.Throttled},
			Retrying: true, Delay: 120*time.Millisecond + 3,
		},
		"attempt 3 of 3 failed (transient)": {
			Number: 3, Max: 3, Err: secret, Outcome: call.Outcome{Class: call.Transient},
		},
		"attempt 1 failed (attempt timeout of 1s), retrying in 1m0.12s": {
			Number: 1, Err: limit, Status: "gRPC DeadlineExceeded", Outcome: call.Outcome{Class: call.Timeout},
			Retrying: true, Delay: time.Minute + 123*time.Millisecond,
		},
		"attempt 2 succeeded (HTTP 200)": {Number: 2, Status: "HTTP 200"},
		"attempt 1 of 3 lost the race": {
			Number: 1, Max: 3, Lost: true, Err: context.Canceled, Status: "gRPC Canceled",
			Outcome: call.Outcome{Class: call.Canceled},
		},
		"attempt 1 was canceled": {Number: 1, Outcome: call.Outcome{Class: call.Canceled, Forbidden: call.ReasonCanceled}},
		"attempt 1 was canceled (deadline)": {
			Number: 1, Outcome: call.Outcome{Class: call.Canceled, Forbidden: call.ReasonDeadline},
		},
	} {
		require.Equal(t, want, a.String())
	}
}

func TestFailure_String(t *testing.T) {
	for want, f := range map[string]call.Failure{
		"attempt 2: HTTP 503 (throttled)": {Attempt: 2, Class: call.Throttled, Status: "HTTP 503"},
		"attempt 1: EOF (transient)":      {Attempt: 1, Class: call.Transient, Err: errors.New("EOF")},
		"attempt 1: timeout":              {Attempt: 1, Class: call.Timeout},
	} {
		require.Equal(t, want, f.String())
	}
}

func TestError_Text(t *testing.T) {
	down := errors.New("down")
	for want, e := range map[string]call.Error{
		"down (evenkeel: max_attempts after 3 attempts)": {Reason: call.ReasonMaxAttempts, Attempts: 3, Last: down},
		"HTTP 503 (evenkeel: budget after 1 attempt)": {
			Reason: call.ReasonBudget, Attempts: 1,
			History: []call.Failure{{Attempt: 1, Class: call.Throttled, Status: "HTTP 503"}},
		},
		"down (evenkeel: hint_too_long after 1 attempt, hint of 2m0s over MaxHint of 1m0s)": {
			Reason: call.ReasonHint, Attempts: 1, Hint: 2 * time.Minute, MaxHint: time.Minute, Last: down,
		},
		"down (evenkeel: attempt timeout of 1s, max_attempts after 3 attempts)": {
			Reason: call.ReasonMaxAttempts, Attempts: 3, Last: &call.TimeoutError{Err: down, Limit: time.Second},
		},
		"context deadline exceeded (evenkeel: deadline after 2 attempts)": {
			Reason: call.ReasonDeadline, Attempts: 2, Ended: context.DeadlineExceeded,
		},
		"evenkeel: gate after 0 attempts": {Reason: call.ReasonGate},
	} {
		require.EqualError(t, &e, want)
	}
}

func TestReport_HintTooLong(t *testing.T) {
	now := time.Unix(0, 0)
	r := rules(call.Rules{MaxHint: time.Minute})
	c := r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, hinted(time.Hour))
	require.Equal(t, call.ReasonHint, c.Next(now).Reason)
	got := c.Report()
	require.Equal(t, time.Hour, got.Hint)
	require.Equal(t, time.Minute, got.MaxHint)

	c = r.Start(now, call.Options{})
	c.Next(now)
	c.Done(now, 1, hinted(time.Second))
	require.Zero(t, c.Report().Hint, "it was short enough")
}

func TestCall_Planned(t *testing.T) {
	now := time.Unix(0, 0)
	c := rules(call.Rules{MaxAttempts: 2}).Start(now, call.Options{})
	_, ok := c.Planned()
	require.False(t, ok)
	c.Next(now)
	c.Done(now, 1, transient)
	d, ok := c.Planned()
	require.True(t, ok)
	require.Equal(t, time.Second, d)
	now = now.Add(d)
	c.Next(now)
	c.Done(now, 2, transient)
	_, ok = c.Planned()
	require.False(t, ok, "the call has stopped")
}
