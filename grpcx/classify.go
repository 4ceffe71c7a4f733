package grpcx

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/retry"
)

// ending is what is known of an attempt that failed.
type ending struct {
	err     error
	header  metadata.MD // nil if unknown, or if none came
	trailer metadata.MD // nil: the attempt never had a stream on a connection, empty: it got none from the server
	ended   bool        // the attempt's own timeout passed
	heeded  bool        // a nil trailer is gRPC's word; otherwise perhaps nobody looked at the options
}

// silent reports that nothing came from the server: gRPC's own messages about the connection are then not an
// application's that relays what it got from somewhere else.
func (e *ending) silent() bool { return len(e.header) == 0 && len(e.trailer) == 0 }

// unsent reports that the attempt got no stream on any connection. grpc.Trailer's place is written to, be it with an
// empty map, if and only if there was one; provided that the options came to gRPC (a channel inside the process need
// not know them, and an interceptor may drop them).
func (e *ending) unsent() bool { return e.trailer == nil && e.heeded }

// wordless reports that no message can have come: there was no stream, or the server's answer was a trailer alone,
// which then has the content type.
func (e *ending) wordless() bool { return e.unsent() || len(e.trailer["content-type"]) > 0 }

// classify says what a failed attempt came to: the table in the package documentation.
func (c *client) classify(ctx context.Context, method string, r *rule, e *ending) retry.Outcome {
	st, ours := statusOf(e.err)
	if ours {
		return retry.Outcome{Class: retry.Rejected} // a call inside this one has done what could be done
	}
	if st.Code() == codes.DeadlineExceeded && !e.ended && passed(ctx) {
		return retry.Outcome{Class: retry.Canceled} // the server's timer, or gRPC's, was quicker than the context's
	}
	h := hintOf(st, e.trailer)
	o := sort(st, h, e)
	switch {
	case h.noRetry:
		o.NoRetry, o.After = true, 0
	case !o.NoRetry:
		o.After = h.after
	}
	listed := r.codes.has(st.Code())
	if r.codes != 0 && !h.noRetry && !e.local(st) {
		o = relist(o, st.Code(), h.after, listed)
	}
	if o.Limit(false) == o { // nothing to allow
		return o
	}
	return o.Limit(c.mayRepeat(ctx, method, listed || r.hedged || st.Code() == codes.Unavailable && !c.strict))
}

// passed reports whether a context's deadline has passed.
func passed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// mayRepeat reports whether a call may have its effect twice; by convention, unless somebody has declared something.
func (c *client) mayRepeat(ctx context.Context, method string, convention bool) bool {
	switch retry.IdempotencyFrom(ctx) {
	case retry.Idempotent:
		return true
	case retry.NotIdempotent:
		return false
	}
	return convention || c.idempotent[method] || safeLevel(method)
}

// relist goes by a service config's list of codes. What was provably unprocessed is no matter of codes.
func relist(o retry.Outcome, code codes.Code, after time.Duration, listed bool) retry.Outcome {
	switch {
	case o.Class == retry.Unprocessed || o.Class == retry.Timeout:
	case listed && code == codes.ResourceExhausted:
		o = retry.Outcome{Class: retry.Throttled, After: after}
	case listed:
		o = retry.Outcome{Class: retry.Transient, After: after}
	case o.Class != retry.Rejected:
		o = retry.Outcome{Class: retry.Rejected}
	}
	return o
}

// sort says what a status means by itself.
func sort(st *status.Status, h hint, e *ending) retry.Outcome {
	switch code := st.Code(); {
	case e.err == io.EOF:
		// gRPC-Go's word that its stream took no message: after a transparent retry it forgets to ask why. A unary
		// call's handler does not run without one.
		return retry.Outcome{Class: retry.Unprocessed, Alive: e.silent()}
	case e.local(st):
		return retry.Outcome{Class: retry.Rejected}
	case code == codes.Unavailable && e.silent() && isHandedBack(st.Message()):
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case e.unsent() && (code == codes.Unavailable || e.ended && (code == codes.DeadlineExceeded || code == codes.Canceled)):
		return retry.Outcome{Class: retry.Unprocessed}
	case e.ended && (code == codes.DeadlineExceeded || code == codes.Canceled || code == codes.Unavailable):
		return retry.Outcome{Class: retry.Timeout}
	case code == codes.ResourceExhausted && !h.given:
		return retry.Outcome{Class: retry.Throttled}.Forbid(retry.ReasonRejected)
	case code == codes.ResourceExhausted:
		return retry.Outcome{Class: retry.Throttled}
	case code == codes.Canceled || answers.has(code):
		return retry.Outcome{Class: retry.Rejected, Alive: !e.silent()}
	}
	return retry.Outcome{Class: retry.Transient}
}

// answers are the codes by which an application, or what stands before it, refuses for good.
var answers = newCodeSet(
	codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
	codes.OutOfRange, codes.Unimplemented, codes.DataLoss, codes.Unauthenticated,
)

// lostMessage is the text of errLost.
const lostMessage = "the stream ended before it was sent"

// errLost is a stream's end that is none: gRPC-Go says io.EOF where a transparent retry broke, although neither a
// header nor a trailer came from the server.
var errLost = status.Error(codes.Unavailable, lostMessage)

// isHandedBack recognises what gRPC-Go says of a stream that the server provably did not take: the connection was
// draining before the stream's headers were written, the GOAWAY named an earlier stream as the last, or it was refused.
func isHandedBack(message string) bool {
	switch message {
	case "the connection is draining",
		"the stream is rejected because server is draining the connection",
		"transport is closing", // silent with it: the headers were never written
		lostMessage,
		"stream terminated by RST_STREAM with error code: REFUSED_STREAM":
		return true
	}
	return false
}

// local reports whether the client itself refused the attempt, and would refuse another. Whatever else keeps it from a
// stream is that there was no connection, or no time.
func (e *ending) local(st *status.Status) bool {
	if isLocal(st) {
		return true
	}
	if !e.unsent() || e.err == io.EOF {
		return false
	}
	switch st.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return false
	case codes.Unavailable:
		return isDistrust(st.Message())
	}
	return true
}

// isDistrust recognises a server whose certificate the client does not trust.
func isDistrust(message string) bool {
	return strings.Contains(message, "authentication handshake failed: ") && strings.Contains(message, "x509: ")
}

// isLocal recognises what the client itself refuses, and would refuse again.
func isLocal(st *status.Status) bool {
	switch st.Code() {
	case codes.Internal, codes.ResourceExhausted, codes.Canceled:
	default:
		return false
	}
	for _, prefix := range [...]string{
		"grpc: error while marshaling", "grpc: error while compressing", "grpc: message too large",
		"trying to send message larger than max", "grpc: received message larger than max",
		"grpc: received message after decompression larger", "grpc: message after decompression larger",
		"grpc: failed to unmarshal", "grpc: failed to decompress", "grpc: no decompressor",
		"grpc: peer compressed the response", "grpc: failed to read decompressed",
		"grpc: Compressor is not installed", "no codec registered for content-subtype",
		"header list size to send violates", "grpc: the client connection is closing",
	} {
		if strings.HasPrefix(st.Message(), prefix) {
			return true
		}
	}
	return false
}

// statusOf is the status of what an attempt returned. ours reports that it is the error of a call inside this one.
func statusOf(err error) (_ *status.Status, ours bool) {
	switch e := err.(type) {
	case *Error:
		return nil, true
	case interface{ GRPCStatus() *status.Status }:
		if st := e.GRPCStatus(); st != nil {
			return st, false
		}
	}
	var inner *retry.Error
	if errors.As(err, &inner) {
		return nil, true
	}
	if st, ok := status.FromError(err); ok {
		return st, false
	}
	return status.FromContextError(err), false
}

// codeSet is a set of status codes.
type codeSet uint32

func newCodeSet(cs ...codes.Code) (s codeSet) {
	for _, c := range cs {
		s |= 1 << c
	}
	return s
}

// has is false for codes that gRPC does not define.
func (s codeSet) has(c codes.Code) bool { return c < 32 && s&(1<<c) != 0 }
