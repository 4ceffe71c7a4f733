package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/evenkeel-go/evenkeel/retry"
)

// classifyError sorts what a RoundTripper failed with. The order matters: an error to do with a connection is often
// wrapped in one that says only where it happened.
func classifyError(err error) retry.Outcome {
	if _, ok := errors.AsType[*retry.Error](err); ok { // only one layer retries
		return retry.Outcome{Class: retry.Rejected}
	}
	if code, ok := streamErrorCode(err); ok {
		return classifyStream(code)
	}
	text := err.Error()
	switch {
	case wasHandedBack(err):
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case refusedByUs(err) || says(text, refused):
		return retry.Outcome{Class: retry.Rejected}
	case neverSent(err) || starts(err, notConnected):
		return retry.Outcome{Class: retry.Unprocessed}
	case timedOut(err):
		return retry.Outcome{Class: retry.Timeout}
	}
	return retry.Outcome{Class: retry.Transient}
}

// net/http makes these errors with errors.New or fmt.Errorf and exports none of them: there is only the text to go
// by. The tests produce most with net/http itself, so that a change there is seen.
var (
	// handedBack is what a stream comes to that the server's GOAWAY says was not processed, or that found no room on
	// its connection. A body cannot be rewound only where there is no GetBody, and then net/http wants to only if
	// nothing was written.
	handedBack = []string{
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: Transport received GOAWAY from server ErrCode:",
		"http2: client conn not usable",
		"net/http: cannot rewind body after connection loss",
	}
	// refused is what net/http says of a request that is wrong, or of an answer that will be no better next time.
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

// cannotRepeat begins the error that net/http makes of one it would have repeated the request after by itself.
const cannotRepeat = "http2: Transport: cannot retry err ["

// wasHandedBack reports whether the request was not processed, and the connection works.
func wasHandedBack(err error) bool {
	if starts(err, handedBack) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if why, ok := strings.CutPrefix(err.Error(), cannotRepeat); ok {
			return strings.Contains(why, "; REFUSED_STREAM") || starts(errors.New(why), handedBack)
		}
	}
	return false
}

// starts reports whether the text of err, or of one that it wraps, is one of net/http's. What proves that a request was
// not processed has to stand at the beginning: further on texts quote URLs and what the server sent.
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

// refusedByUs reports whether the request was refused on this side of the connection, for good: the certificate is
// not trusted, the URL makes no sense, there is no such host.
func refusedByUs(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true // a TLS alert: crypto/tls does not export its type
	}
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err) ||
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

func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
