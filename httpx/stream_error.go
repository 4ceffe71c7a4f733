package httpx

import (
	"errors"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Codes of HTTP/2 errors (RFC 9113, section 7).
const (
	refusedStream    = 0x7
	enhanceYourCalm  = 0xb
	insecure         = 0xc
	http11IsRequired = 0xd
)

// streamError has the shape of net/http's own error for an HTTP/2 stream that was reset, which is not exported. That
// one lets itself be copied by errors.As into any struct with the same fields, so that golang.org/x/net/http2 need not
// be imported to see the code.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "http2: stream error" }

func streamErrorCode(err error) (uint32, bool) {
	e, ok := errors.AsType[streamError](err)
	return e.Code, ok
}

func classifyStream(code uint32) retry.Outcome {
	switch code {
	case refusedStream: // RFC 9113, section 8.7: closed before any processing
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case enhanceYourCalm:
		return retry.Outcome{Class: retry.Throttled}
	case insecure, http11IsRequired:
		return retry.Outcome{Class: retry.Rejected}
	}
	return retry.Outcome{Class: retry.Transient}
}
