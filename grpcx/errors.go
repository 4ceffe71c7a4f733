package grpcx

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Error is what a call returns that did not succeed under a policy of more than one attempt. Its
// status (and so status.Code, status.Convert and the details) is the last attempt's, or the
// context's if that ended the call between attempts; errors.As reaches the retry.Error with the
// reason, and the attempts' errors below it.
type Error struct{ Call *retry.Error }

// Error is the last attempt's text, and why there was no further attempt unless that is the
// error's own nature.
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
	plural := "s"
	if e.Call.Attempts == 1 {
		plural = ""
	}
	return fmt.Sprintf("%v (evenkeel: %v after %d attempt%s)", last, e.Call.Reason, e.Call.Attempts, plural)
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

// failure is the error of a call under p, which package retry ended with err. A policy that never
// sends twice leaves no trace.
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

// statusOf returns the status of what an attempt returned. ours reports that it is the error of a
// call inside this one. A status that is wrapped is not copied, as status.FromError does: it may
// be large.
func statusOf(err error) (_ *status.Status, ours bool) {
	switch e := err.(type) {
	case *Error:
		return nil, true
	case grpcStatus:
		if st := e.GRPCStatus(); st != nil {
			return st, false
		}
	}
	var inner *retry.Error
	if errors.As(err, &inner) {
		return nil, true
	}
	var s grpcStatus
	if errors.As(err, &s) {
		if st := s.GRPCStatus(); st != nil {
			return st, false
		}
	}
	return status.FromContextError(err), false
}

// grpcStatus is what the errors of package status have.
type grpcStatus interface{ GRPCStatus() *status.Status }
