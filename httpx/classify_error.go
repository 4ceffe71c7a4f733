package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// classifyFailure returns the outcome of an error. A mark of [retry.Permanent] or [retry.After]
// overrides what the error itself says; neither shows that the server works.
func classifyFailure(req *http.Request, err error) retry.Outcome {
	marked := retry.Classify(err)
	if marked.Class == retry.Rejected { // also for a *retry.Error: only one layer retries
		return retry.Outcome{Class: retry.Rejected}
	}
	var o retry.Outcome
	if code, ok := connectStatus(req, err); ok {
		o = classifyRefusedTunnel(code)
	} else {
		o = classifyError(err)
	}
	if marked.After > 0 {
		if o.Class == retry.Rejected {
			o.Class = retry.Transient
		}
		o.Alive = false // Alive and Unprocessed together would be repeated at once
		o.After = min(marked.After, maxWait)
	}
	return o
}

// classifyError returns the outcome of a RoundTripper's error. The order matters: an error of a
// connection is often wrapped in one that says only where it happened.
func classifyError(err error) retry.Outcome {
	t := textsOf(err)
	if code, ok := streamCode(err, t); ok {
		return classifyStream(code)
	}
	if o, ok := classifyGoAway(t); ok {
		return o
	}
	switch {
	case t.start(repeated):
		return refusedForLong()
	case wasHandedBack(t):
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case t.start(canceled):
		return retry.Outcome{Class: retry.Canceled}
	case isPermanent(err), slices.ContainsFunc(refused, func(s string) bool { return strings.Contains(t[0], s) }):
		return retry.Outcome{Class: retry.Rejected}
	case neverSent(err) || t.start(notConnected):
		return retry.Outcome{Class: retry.Unprocessed}
	case lostConnection(err, t):
		return retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}
	case timedOut(err):
		return retry.Outcome{Class: retry.Timeout}
	}
	return retry.Outcome{Class: retry.Transient}
}

// refusedForLong returns the outcome of a request that the server refused each of the eight times
// that net/http sent it within a minute. It is safe to repeat, but a sign of overload, so another
// attempt is paid for.
func refusedForLong() retry.Outcome {
	return retry.Outcome{Class: retry.Unprocessed, Evidence: budget.Overloaded}
}

// net/http makes these errors with errors.New or fmt.Errorf and exports none of them, so only the
// text identifies them. The tests produce most with net/http itself, to notice a change there.
var (
	// repeated begins the error of a stream that the server's GOAWAY left unprocessed, or that
	// found no room on its connection, after net/http has repeated the request by itself.
	repeated = []string{
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: client conn not usable",
	}
	// handedBack begins the error of a request that net/http would repeat if it had GetBody.
	handedBack = []string{"net/http: cannot rewind body after connection loss"}
	// canceled begins the error after http.Transport.CancelRequest or Request.Cancel, also before
	// there is a connection.
	canceled = []string{"net/http: request canceled"}
	// lost begins the errors of requests whose connection ended that are not of package net.
	lost = []string{
		"http: server closed idle connection", "http2: client connection lost", "http2: client conn is closed",
		"http2: client connection force closed via ClientConn.Close", goAwayAndClosed,
	}
	// refused is in the errors of invalid requests, and of answers that would stay the same.
	refused = []string{
		"unsupported protocol scheme", "http2: unsupported scheme", "http: no Host in request URL",
		"http: nil Request.URL", "http: nil Request.Header", "net/http: invalid header ", "net/http: invalid trailer ",
		"net/http: invalid method ", "invalid Host header", "Request.Write on Request with no Host or URL set",
		"invalid Trailer key ", "invalid HTTP header ", "invalid HTTP trailer ", "invalid request :path ",
		"invalid Upgrade request header: ", "invalid Transfer-Encoding request header: ",
		"invalid Connection request header: ", "invalid :protocol header in non-CONNECT request",
		"request header list larger than peer's advertised limit",
		"http: Request.ContentLength=", "http: ContentLength=", "request body larger than specified content length",
		"net/http: server response headers exceeded ", "response header list larger than advertised limit",
		"can't write control character in Request.URL", "http: server gave HTTP response to HTTPS client",
		"tls: no supported versions satisfy MinVersion and MaxVersion", "tls: invalid NextProtos value",
		"tls: server selected unsupported protocol version ", "tls: server chose an unconfigured cipher suite",
		"tls: server selected unadvertised ALPN protocol",
		"net/http: skip alternate protocol", // http.ErrSkipAltProtocol
		"Proxy Authentication Required",     // a proxy's answer to CONNECT, of which only the reason phrase is left
	}
	// notConnected begins errors that come before the request is written.
	notConnected = []string{"net/http: TLS handshake timeout", "http2: client conn could not be established"}
)

// ended lists the errors of a connection that has ended.
var ended = []error{
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
}

// cannotRepeat begins the text with which net/http wraps an error when it could not repeat the
// request.
const cannotRepeat = "http2: Transport: cannot retry err ["

// wasHandedBack reports whether the request was not processed, the connection works, and nothing
// has repeated it.
func wasHandedBack(t texts) bool {
	if t.start(handedBack) {
		return true
	}
	for _, text := range t {
		if inner, ok := strings.CutPrefix(text, cannotRepeat); ok {
			return strings.Contains(inner, "; REFUSED_STREAM") || texts{inner}.start(repeated)
		}
	}
	return false
}

// texts has the texts of an error and of those that it wraps. They are made once, because
// package net puts them together anew each time.
type texts []string

// textsOf returns the texts of err and of the errors that it wraps, outermost first.
func textsOf(err error) (t texts) {
	for ; err != nil; err = errors.Unwrap(err) {
		t = append(t, err.Error())
	}
	return t
}

// start reports whether one of t begins with one of prefixes. Only the beginning is proof: further
// on, errors quote URLs and what the server sent.
func (t texts) start(prefixes []string) bool {
	for _, text := range t {
		if slices.ContainsFunc(prefixes, func(s string) bool { return strings.HasPrefix(text, s) }) {
			return true
		}
	}
	return false
}

// isPermanent reports whether another attempt would fail the same way: a certificate is not
// trusted, the two sides do not agree on TLS, the URL is invalid, there is no such host.
func isPermanent(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
	}
	if passes, ok := tlsAlert(err); ok {
		return !passes
	}
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) ||
		is[*tls.ECHRejectionError](err) || is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) ||
		is[x509.CertificateInvalidError](err) || is[x509.ConstraintViolationError](err) ||
		is[x509.UnhandledCriticalExtension](err) || is[x509.InsecureAlgorithmError](err) ||
		is[x509.SystemRootsError](err) || is[*net.AddrError](err) || is[*net.ParseError](err) ||
		is[net.InvalidAddrError](err) || is[net.UnknownNetworkError](err) ||
		is[url.EscapeError](err) || is[url.InvalidHostError](err)
}

// is reports whether err is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// neverSent reports whether there was no connection to send the request on.
func neverSent(err error) bool {
	if is[*net.DNSError](err) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect")
}

// lostConnection reports whether err, which has the texts t, says that the connection ended
// during the request: it was reset or closed, or one side gave it up. An EOF may also come before
// there is a connection.
func lostConnection(err error, t texts) bool {
	if passes, ok := tlsAlert(err); ok {
		return passes
	}
	if timedOut(err) && !errors.Is(err, syscall.ETIMEDOUT) { // ETIMEDOUT means that TCP gave up the peer
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "read" || op.Op == "write"
	}
	return slices.ContainsFunc(ended, func(end error) bool { return errors.Is(err, end) }) || t.start(lost)
}

// timedOut reports whether err, or an error that it wraps, is a timeout.
func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// passing lists the TLS alerts that may not come again: something went wrong on the network or in
// the server. All others mean that the two sides do not agree on certificates, versions or names.
var passing = []tls.AlertError{
	10, // unexpected_message
	20, // bad_record_mac
	21, // decryption_failed
	22, // record_overflow
	30, // decompression_failure
	50, // decode_error
	80, // internal_error
	90, // user_canceled
}

// tlsAlert reports whether err is a TLS alert, of either side, and whether that is a passing one.
// crypto/tls exports the type of alerts for QUIC only; its own have the same texts.
func tlsAlert(err error) (passes, ok bool) {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return slices.Contains(passing, alert), true
	}
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			return false, false
		}
		err = op.Err // the error of a proxy's connection has an OpError inside
		if err != nil && (op.Op == "remote error" || op.Op == "local error") {
			text := err.Error()
			return slices.ContainsFunc(passing, func(a tls.AlertError) bool { return a.Error() == text }), true
		}
	}
}
