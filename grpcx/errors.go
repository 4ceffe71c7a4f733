package grpcx

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Error is what a call returns that did not succeed under a policy of more than one attempt. Its status (and so
// status.Code, status.Convert and the details) is the last attempt's, or the context's if that ended the call between
// attempts; errors.As reaches the retry.Error with the reason, and the attempts' errors below it.
type Error struct{ Call *retry.Error }

// Error is the last attempt's text, and why there was no further attempt unless that is the error's own nature.
func (e *Error) Error() string {
	last := e.status().Err()
	if e.Call.Last != nil && status.Code(e.Call.Last) == status.Code(last) {
		last = e.Call.Last
	}
	if e.Call.Attempts == 1 {
		switch e.Call.Reason {
		case retry.ReasonRejected, retry.ReasonNotIdempotent, retry.ReasonNoRetry, retry.ReasonCommitted:
			return last.Error()
		}
	}
	return fmt.Sprintf("%v (stopped after attempt %d: %v)", last, e.Call.Attempts, e.Call.Reason)
}

// Unwrap reaches the retry.Error.
func (e *Error) Unwrap() error { return e.Call }

// GRPCStatus is the call's status.
func (e *Error) GRPCStatus() *status.Status { return e.status() }

func (e *Error) status() *status.Status {
	last, isStatus := status.FromError(e.Call.Last)
	if e.Call.Ended != nil {
		code := codes.Canceled
		if errors.Is(e.Call.Ended, context.DeadlineExceeded) {
			code = codes.DeadlineExceeded
		}
		if e.Call.Last == nil || last.Code() != code {
			return status.New(code, e.endedText())
		}
	}
	switch {
	case e.Call.Last == nil:
		return status.New(codes.Unavailable, "the client's own budget refused the call")
	case !isStatus:
		return status.FromContextError(e.Call.Last)
	}
	return last
}

func (e *Error) endedText() string {
	if e.Call.Last == nil {
		return e.Call.Ended.Error()
	}
	return fmt.Sprintf("%v; before that: %v", e.Call.Ended, e.Call.Last)
}

// failure is the error of a call under p, which package retry ended with err. A policy that never sends twice leaves
// no trace.
func failure(p *retry.Policy, err error) error {
	stopped, ok := err.(*retry.Error)
	switch {
	case !ok:
		return err
	case stopped.Last != nil && p.Config().MaxAttempts == 1:
		return stopped.Last
	}
	return &Error{stopped}
}
