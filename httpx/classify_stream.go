package httpx

import (
	"errors"
	"strings"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Codes of HTTP/2 errors (RFC 9113, section 7).
const (
	refusedStream    = 0x7
	enhanceYourCalm  = 0xb
	insecure         = 0xc
	http11IsRequired = 0xd
)

// streamError has the fields of net/http's unexported error for an HTTP/2 stream that was reset.
// errors.As copies that error into any struct with the same fields, so the code can be read
// without importing golang.org/x/net/http2.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "http2: stream error" }

// streamText begins the text of that error, and of the one that golang.org/x/net/http2 makes of a
// type of its own, also for an http.Transport that its ConfigureTransport has configured. The
// stream's number follows, and the code's name.
const streamText = "stream error: stream ID "

// streamCode returns the code with which an HTTP/2 stream was reset, 0 if it is one that does not
// matter. It reports false for any other error. The texts of err are t.
func streamCode(err error, t texts) (code uint32, ok bool) {
	if e, ok := errors.AsType[streamError](err); ok {
		return e.Code, true
	}
	for _, text := range t {
		if rest, ok := strings.CutPrefix(text, streamText); ok {
			_, rest, _ = strings.Cut(rest, "; ")
			name, _, _ := strings.Cut(rest, ";")
			return codes[name], true
		}
	}
	return 0, false
}

// classifyStream returns the outcome of a stream that was reset with an error code. net/http has
// repeated a refused one by itself.
func classifyStream(code uint32) retry.Outcome {
	switch code {
	case refusedStream: // RFC 9113, section 8.7: closed before any processing
		return refusedForLong()
	case enhanceYourCalm:
		return retry.Outcome{Class: retry.Throttled}
	case insecure, http11IsRequired:
		return retry.Outcome{Class: retry.Rejected}
	}
	return retry.Outcome{Class: retry.Transient}
}

const (
	// goAwayAbove begins the error of a connection's first stream, if the server's GOAWAY has an
	// error code and says that the stream was not processed. The code's name is the rest. net/http
	// repeats other streams after such a GOAWAY.
	goAwayAbove = "http2: Transport received GOAWAY from server ErrCode:"
	// goAwayAndClosed begins the error of a stream that the server may have processed: it closed
	// the connection after a GOAWAY. The code's name follows, and what the server wrote comes
	// last.
	goAwayAndClosed = "http2: server sent GOAWAY and closed the connection; "
)

// codes has the codes that matter, by their names in errors.
var codes = map[string]uint32{
	"REFUSED_STREAM": refusedStream, "ENHANCE_YOUR_CALM": enhanceYourCalm, "INADEQUATE_SECURITY": insecure,
	"HTTP_1_1_REQUIRED": http11IsRequired,
}

// goAwayCode returns the code with a name, if it matters more than whether the GOAWAY left the
// stream unprocessed.
func goAwayCode(name string) (code uint32, ok bool) {
	code, ok = codes[name]
	return code, ok && code != refusedStream
}

// classifyGoAway returns the outcome of an error that net/http made of a GOAWAY, by the code in
// its text. It reports false for any other error.
func classifyGoAway(t texts) (retry.Outcome, bool) {
	for _, text := range t {
		if name, ok := strings.CutPrefix(text, goAwayAbove); ok {
			if code, ok := goAwayCode(name); ok {
				return classifyStream(code), true
			}
			works := name == "NO_ERROR" || name == "REFUSED_STREAM"
			return retry.Outcome{Class: retry.Unprocessed, Alive: works}, true
		}
		if rest, ok := strings.CutPrefix(text, goAwayAndClosed); ok {
			_, rest, _ = strings.Cut(rest, "ErrCode=")
			name, _, _ := strings.Cut(rest, ",")
			code, ok := goAwayCode(name)
			if !ok { // a lost connection
				return retry.Outcome{}, false
			}
			return classifyStream(code), true
		}
	}
	return retry.Outcome{}, false
}
