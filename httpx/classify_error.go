package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// classifyError sorts what a RoundTripper failed with. The order matters: an error to do with a
// connection is often wrapped in one that says only where it happened.
func classifyError(err error) retry.Outcome {
	if is[*retry.Error](err) { // only one layer retries
		return retry.Outcome{Class: retry.Rejected}
	}
	if code, ok := streamErrorCode(err); ok {
		return classifyStream(code)
	}
	if o, ok := classifyGoAway(err); ok {
		return o
	}
	switch {
	case starts(err, repeated):
		return refusedForLong()
	case wasHandedBack(err):
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case starts(err, canceled):
		return retry.Outcome{Class: retry.Canceled}
	case refusedByUs(err) || says(err.Error(), refused):
		return retry.Outcome{Class: retry.Rejected}
	case neverSent(err) || starts(err, notConnected):
		return retry.Outcome{Class: retry.Unprocessed}
	case lostConnection(err):
		return retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}
	case timedOut(err):
		return retry.Outcome{Class: retry.Timeout}
	}
	return retry.Outcome{Class: retry.Transient}
}

// refusedForLong returns the outcome of a request that net/http has repeated by itself for a
// minute, each time to be refused. It is safe to repeat, but that is an overload, and has cost the
// server eight requests: another is paid for.
func refusedForLong() retry.Outcome { return retry.Outcome{Class: retry.Unprocessed} }

// net/http makes these errors with errors.New or fmt.Errorf and exports none of them: there is
// only the text to go by. The tests produce most with net/http itself, so that a change there is
// seen.
var (
	// repeated is what a stream comes to that the server's GOAWAY says was not processed, or that
	// found no room on its connection, where net/http repeats it by itself.
	repeated = []string{
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: client conn not usable",
	}
	// handedBack is what net/http says of what it wants to repeat and cannot, for lack of GetBody.
	handedBack = []string{"net/http: cannot rewind body after connection loss"}
	// canceled is what http.Transport.CancelRequest and Request.Cancel come to, also before there
	// is a connection.
	canceled = []string{"net/http: request canceled"}
	// lost is what becomes of requests whose connection has ended, beside the errors of package
	// net.
	lost = []string{
		"http: server closed idle connection", "http2: client connection lost", "http2: client conn is closed",
		"http2: client connection force closed via ClientConn.Close", goAwayAndClosed,
	}
	// refused is what net/http says of a request that is wrong, or of an answer that will be no
	// better next time.
	refused = []string{
		"unsupported protocol scheme", "http2: unsupported scheme", "http: no Host in request URL",
		"http: nil Request.URL", "http: nil Request.Header", "net/http: invalid header ", "net/http: invalid trailer ",
		"net/http: invalid method ", "invalid Host header", "Request.Write on Request with no Host or URL set",
		"http: Request.ContentLength=", "http: ContentLength=", "request body larger than specified content length",
		"net/http: server response headers exceeded ", "response header list larger than advertised limit",
		"can't write control character in Request.URL", "http: server gave HTTP response to HTTPS client",
		"Proxy Authentication Required", // of an answer to CONNECT there is only the status text
	}
	// notConnected is what comes before a request is written.
	notConnected = []string{"net/http: TLS handshake timeout", "http2: client conn could not be established"}
)

// ended are the errors of a connection that has ended (see also errno.go).
var ended = []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed}

// cannotRepeat begins the error that net/http makes of one it would have repeated the request
// after by itself.
const cannotRepeat = "http2: Transport: cannot retry err ["

// wasHandedBack reports whether the request was not processed, the connection works, and nobody
// has repeated it.
func wasHandedBack(err error) bool {
	if starts(err, handedBack) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if why, ok := strings.CutPrefix(err.Error(), cannotRepeat); ok {
			return strings.Contains(why, "; REFUSED_STREAM") || starts(errors.New(why), repeated)
		}
	}
	return false
}

// starts reports whether the text of err, or of one that it wraps, is one of net/http's. What
// proves that a request was not processed has to stand at the beginning: further on texts quote
// URLs and what the server sent.
func starts(err error, any []string) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		if slices.ContainsFunc(any, func(s string) bool { return strings.HasPrefix(text, s) }) {
			return true
		}
	}
	return false
}

func says(text string, any []string) bool {
	for _, s := range any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// refusedByUs reports whether the request was refused on this side of the connection, for good:
// the certificate is not trusted, the URL makes no sense, there is no such host.
func refusedByUs(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
	}
	if passes, ok := tlsAlert(err); ok {
		return !passes
	}
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) ||
		is[*tls.ECHRejectionError](err) || is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) ||
		is[x509.CertificateInvalidError](err) || is[*net.AddrError](err) || is[*net.ParseError](err) ||
		is[net.InvalidAddrError](err) || is[net.UnknownNetworkError](err) ||
		is[url.EscapeError](err) || is[url.InvalidHostError](err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// neverSent reports whether no connection was had to send the request on.
func neverSent(err error) bool {
	if is[*net.DNSError](err) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect")
}

// lostConnection reports whether err says that an established connection ended under the request:
// it was reset or closed, or one side gave it up. That there was a connection, an EOF alone does
// not prove.
func lostConnection(err error) bool {
	if passes, ok := tlsAlert(err); ok {
		return passes
	}
	if timedOut(err) && !errors.Is(err, syscall.ETIMEDOUT) { // TCP's word for a peer that is gone
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "read" || op.Op == "write"
	}
	return slices.ContainsFunc(ended, func(end error) bool { return errors.Is(err, end) }) || starts(err, lost)
}

func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
