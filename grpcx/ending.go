package grpcx

import (
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ending describes an attempt that failed.
//
// gRPC-Go does not say whether the server or the client made a status; the metadata shows it. A
// trailer that is not empty came from the server: every answer without a message has its content
// type there. An empty trailer means that there was a stream on a connection, and a nil one that
// there was none. A server that sends a header and then no trailing metadata leaves an empty one,
// too: there, and where an interceptor drops call options, the texts of gRPC-Go's transport
// decide.
type ending struct {
	err      error
	header   metadata.MD // nil if unknown, or if there was none
	trailer  metadata.MD // nil: the attempt never had a stream on a connection, empty: it got none from the server
	timedOut bool        // the attempt's own timeout passed
	reported bool        // gRPC has set the trailer; otherwise an interceptor may have dropped the option
}

// silent reports whether nothing came from the server, so that a text of gRPC-Go's about a
// connection is about ours. A server may relay such a text that it got from elsewhere.
func (e *ending) silent() bool { return len(e.header) == 0 && len(e.trailer) == 0 }

// unsent reports whether the attempt got no stream on any connection. gRPC sets the target of
// grpc.Trailer, perhaps to an empty map, if and only if there was one, provided that the option
// reached gRPC: an interceptor may drop it, and an in-process channel may ignore it.
func (e *ending) unsent() bool { return e.trailer == nil && e.reported }

// messageless reports whether no message can have arrived: there was no stream, or the server's
// answer was a trailer alone, which then has the content type.
func (e *ending) messageless() bool { return e.unsent() || len(e.trailer["content-type"]) > 0 }

// answered reports whether the server itself sent an UNAVAILABLE, which by convention means that
// it did nothing. A status that gRPC-Go, or a proxy in between, made because the connection was
// lost is no such answer: the server may have done its work, and only the reply was lost.
func (e *ending) answered(st *status.Status) bool {
	if len(e.trailer) > 0 {
		return !isProxyLoss(st.Message())
	}
	return !isTransportLoss(st.Message()) && !isProxyLoss(st.Message())
}

// lost reports whether an UNAVAILABLE means that the connection which carried the attempt was
// lost: closed, reset or made unreadable by the other side, with a GOAWAY before or not. The
// connection had worked before: gRPC-Go opens no stream until the server's preface has come. A
// connection that has gone silent (keepalive) is not lost in this sense, nor one that was closed
// because the client asked too much.
func (e *ending) lost(st *status.Status) bool {
	return st.Code() == codes.Unavailable && e.trailer != nil && len(e.trailer) == 0 &&
		isConnectionLoss(st.Message()) && !isEnhanceYourCalm(st.Message())
}

// askedTooMuch reports whether the client asked too much, so that the server closed the
// connection or a proxy in between answered 429.
func (e *ending) askedTooMuch(st *status.Status) bool {
	if len(e.trailer) > 0 { // a server may relay such a text that it got from elsewhere
		return false
	}
	return isTransportLoss(st.Message()) && isEnhanceYourCalm(st.Message()) ||
		strings.HasPrefix(st.Message(), proxyStatus+"429")
}

func isEnhanceYourCalm(message string) bool {
	return strings.Contains(message, "received prior goaway: code: ENHANCE_YOUR_CALM")
}

// isConnectionLoss recognizes the texts that gRPC-Go gives the streams of a connection that the
// other side has ended.
func isConnectionLoss(message string) bool {
	return hasAnyPrefix(strings.TrimPrefix(message, "closing transport due to: "),
		"error reading from server: ", `connection error: desc = "error reading from server: `)
}

// proxyStatus begins the text that gRPC-Go gives a stream which a proxy answered over plain HTTP.
const proxyStatus = "unexpected HTTP status code received from server: "

// isTransportLoss recognizes everything that gRPC-Go itself calls UNAVAILABLE once a stream is on
// a connection.
func isTransportLoss(message string) bool {
	return isConnectionLoss(message) || hasAnyPrefix(message,
		"closing transport due to: ", "closing connection since the server is not reading", "keepalive ping failed",
		`connection error: desc = "keepalive ping failed`, "received goaway ", "no active streams left",
		proxyStatus+"502", proxyStatus+"504")
}

// isProxyLoss recognizes the status that Envoy makes when it has lost the connection to the
// server, or its own timeout has passed.
func isProxyLoss(message string) bool {
	if message == "upstream request timeout" || message == "stream timeout" {
		return true
	}
	_, why, ok := strings.Cut(message, "reset reason: ")
	return ok && strings.HasPrefix(message, "upstream connect error or disconnect/reset before headers") &&
		hasAnyPrefix(why, "connection termination", "remote reset", "local reset", "protocol error")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// lostMessage is the text of errLost.
const lostMessage = "the stream ended before it was sent"

// errLost replaces the io.EOF of a stream that did not end well: gRPC-Go returns io.EOF where a
// transparent retry broke, although neither a header nor a trailer came from the server.
var errLost = status.Error(codes.Unavailable, lostMessage)

// isHandedBack recognizes the text of a stream that the server provably did not process:
// the connection was draining before the stream's headers were written, the GOAWAY named an
// earlier stream as the last, or it was refused.
func isHandedBack(message string) bool {
	switch message {
	case "the connection is draining",
		"the stream is rejected because server is draining the connection",
		"transport is closing", // and nothing came from the server: the headers were never written
		lostMessage,
		"stream terminated by RST_STREAM with error code: REFUSED_STREAM":
		return true
	}
	return false
}

// local reports whether the client itself refused the attempt and would refuse another, or
// dropped it on purpose. Any other attempt without a stream had no connection, or ran out of
// time.
func (e *ending) local(st *status.Status) bool {
	if isLocal(st) {
		return true
	}
	if !e.unsent() || e.err == io.EOF || e.cutShort(st) {
		return false
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return !isWaiting(st.Message())
	case codes.Canceled:
		return false
	case codes.Unavailable:
		return isUntrusted(st.Message()) || isDrop(st.Message())
	}
	return true
}

// cutShort reports whether the attempt's own timeout ended it before it was sent: while gRPC-Go
// waited for a connection or for the call's credentials.
func (e *ending) cutShort(st *status.Status) bool {
	if !e.unsent() || !e.timedOut {
		return false
	}
	switch st.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return true
	case codes.Internal, codes.Unauthenticated: // credentials of the call, of the connection
		return strings.HasPrefix(st.Message(), "transport: per-RPC creds failed")
	}
	return false
}

// isWaiting recognizes a call that ran out of time while gRPC-Go had no connection for it. Other
// texts of a DEADLINE_EXCEEDED are those of a load balancer that dropped the call.
func isWaiting(message string) bool {
	return strings.Contains(message, "deadline exceeded") || strings.HasPrefix(message, "latest balancer error: ")
}

// isUntrusted recognizes a server whose certificate the client does not trust, or not under the
// call's authority.
func isUntrusted(message string) bool {
	return strings.Contains(message, "authentication handshake failed: ") && strings.Contains(message, "x509: ") ||
		strings.HasPrefix(message, "failed to validate authority ") ||
		strings.Contains(message, " does not implement the AuthorityValidator interface")
}

// isDrop recognizes the texts of calls that gRPC-Go's own load balancers and routers drop on
// purpose (gRFC A54). The UNAVAILABLE of another balancer may be a drop or the lack of a
// connection.
func isDrop(message string) bool {
	return hasAnyPrefix(message, "RPC is dropped", "request dropped by grpclb", "unknown cluster selected for RPC: ",
		"most recent error from RLS server: ", "no matched route was found", "matched route does not have a supported") ||
		strings.HasPrefix(message, "max requests ") && strings.Contains(message, " exceeded on service ")
}

// isLocal recognizes what the client itself refuses, and would refuse again.
func isLocal(st *status.Status) bool {
	switch st.Code() {
	case codes.Internal, codes.ResourceExhausted, codes.Canceled:
	default:
		return false
	}
	return hasAnyPrefix(st.Message(),
		"grpc: error while marshaling", "grpc: error while compressing", "grpc: message too large",
		"trying to send message larger than max", "grpc: received message larger than max",
		"grpc: received message after decompression larger", "grpc: message after decompression larger",
		"grpc: failed to unmarshal", "grpc: failed to decompress", "grpc: no decompressor",
		"grpc: peer compressed the response", "grpc: failed to read decompressed",
		"grpc: Compressor is not installed", "no codec registered for content-subtype",
		"header list size to send violates", "grpc: the client connection is closing")
}
