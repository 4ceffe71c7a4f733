package grpcx

import (
	"context"

	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/retry"
)

// classifier is the type of WithClassifier's function.
type classifier = func(context.Context, string, *status.Status, retry.Outcome) retry.Outcome

// WithClassifier calls classify to decide the outcome of each attempt that failed, for example by
// the status's details: google.rpc.ErrorInfo may say that a quota is used up for the day. The
// arguments are the call's context, the method ("/pkg.Service/Method"), the status, and the
// outcome by the table in the package's documentation. classify returns that outcome or another:
//
//	byReason := func(_ context.Context, _ string, st *status.Status, o retry.Outcome) retry.Outcome {
//		for _, d := range st.Details() {
//			if e, ok := d.(*errdetails.ErrorInfo); ok && e.Reason == "RATE_LIMIT_EXCEEDED" {
//				return retry.Outcome{Class: retry.Throttled, After: 30 * time.Second}
//			}
//		}
//		return o
//	}
//
// It is not called where the outcome is certain: for an attempt that was provably unprocessed or
// timed out, for a pushback of "do not retry", for an error marked by retry.Permanent or
// retry.After, and for what gRPC-Go refuses by itself. Its result is limited: a method that must
// not have its effect twice is not repeated unless the attempt was Unprocessed, and MaxHint and
// the deadline bound After. It must be safe for concurrent use. The server chooses the details;
// grpc.WithMaxHeaderListSize bounds them.
//
// It panics if classify is nil.
func WithClassifier(
	classify func(ctx context.Context, method string, st *status.Status, o retry.Outcome) retry.Outcome,
) Option {
	must(classify != nil, "WithClassifier: must not be nil")
	return func(c *config) { c.classify = classify }
}

// decidable reports whether a user's classifier may change the outcome o of an attempt.
func (e *ending) decidable(st *status.Status, o retry.Outcome) bool {
	return o.Class != retry.Unprocessed && o.Class != retry.Timeout && !e.local(st)
}
