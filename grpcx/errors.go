package grpcx

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Error is the error of a call that stopped without success. If the policy added nothing to a
// single attempt, the call returns that attempt's own error instead. The status of an Error
// (status.Code, status.Convert, the details) is the last attempt's, the context's if that ended
// the call between attempts, or UNAVAILABLE if nothing was sent. errors.As finds the *retry.Error
// with the reason, and the attempts' errors in it.
type Error struct{ Call *retry.Error }

// Error returns the last attempt's text, and then why there was no further attempt.
func (e *Error) Error() string {
	st := e.GRPCStatus()
	if e.Call.Last != nil && status.Code(lastOf(e.Call)) == st.Code() {
		return e.Call.Error()
	}
	shown := *e.Call
	shown.Last = st.Err()
	return shown.Error()
}

// Timeout reports whether the call ran out of time, its own or the last attempt's.
func (e *Error) Timeout() bool { return e.Call.Timeout() }

// Unwrap returns the retry.Error.
func (e *Error) Unwrap() error { return e.Call }

// GRPCStatus returns the call's status.
func (e *Error) GRPCStatus() *status.Status {
	last, isStatus := status.FromError(lastOf(e.Call))
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
	case e.Call.Last == nil && e.Call.Reason == retry.ReasonPaused:
		return status.New(codes.Unavailable, "the server asked other calls to wait for longer than this one can")
	case e.Call.Last == nil:
		return status.New(codes.Unavailable, "the client's own budget refused the call")
	case !isStatus:
		return status.FromContextError(lastOf(e.Call))
	}
	return last
}

func (e *Error) endedText() string {
	if e.Call.Last == nil {
		return e.Call.Ended.Error()
	}
	return fmt.Sprintf("%v; before that: %v", e.Call.Ended, e.Call.Last)
}

// lastOf returns the last attempt's error without the TimeoutError around it.
func lastOf(stopped *retry.Error) error {
	if t, ok := stopped.Last.(*call.TimeoutError); ok {
		return t.Err
	}
	return stopped.Last
}

// failure returns the error of a call under p that has stopped: the attempt's own error, if the
// policy never sends twice or added nothing to the call.
func failure(p *drive.Policy, stopped *retry.Error) error {
	if stopped.Last != nil && (p.MaxAttempts == 1 || stopped.Bare()) {
		return stopped.Last
	}
	return &Error{stopped}
}

// statusOf returns the status of an attempt's error, or reports that it is the error of a call
// inside this one (ours). Unlike status.FromError it does not copy a wrapped status, which may be
// large.
func statusOf(err error) (_ *status.Status, ours bool) {
	switch e := err.(type) {
	case *Error:
		return nil, true
	case grpcStatus:
		if st := e.GRPCStatus(); st != nil {
			return st, false
		}
	}
	if _, ours = errors.AsType[*retry.Error](err); ours {
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

// statusText returns the code of an attempt's error as "gRPC OK", for observers and errors. It is
// empty for the error of a call inside this one.
func statusText(err error) string {
	if err == nil {
		return "gRPC OK"
	}
	st, ours := statusOf(err)
	if ours {
		return ""
	}
	if code := st.Code(); int(code) < len(codeTexts) {
		return codeTexts[code]
	}
	return "gRPC " + st.Code().String()
}

// codeTexts holds the texts of the codes that gRPC defines.
var codeTexts = func() (texts [codes.Unauthenticated + 1]string) {
	for c := range texts {
		texts[c] = "gRPC " + codes.Code(c).String()
	}
	return texts
}()

// grpcStatus is implemented by the errors of package status.
type grpcStatus interface{ GRPCStatus() *status.Status }
