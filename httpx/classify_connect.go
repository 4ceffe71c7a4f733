package httpx

import (
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/evenkeel-go/evenkeel/retry"
)

// classifyConnect returns the outcome of a CONNECT that was answered with a status of 400 or
// above. If a gateway could not reach the other side there is no tunnel, so nothing was sent
// through it.
func classifyConnect(code int) retry.Outcome {
	switch {
	case code < http.StatusInternalServerError:
		return retry.Outcome{Class: retry.Rejected, Alive: true}
	case isGatewayFailure(code):
		return retry.Outcome{Class: retry.Unprocessed}
	}
	return classifyStatus(code)
}

func isGatewayFailure(code int) bool {
	return code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout
}

// classifyRefusedTunnel returns the outcome of an error with the text of a proxy's answer to the
// CONNECT of http.Transport. It is not Alive, because the proxy answered, not the destination.
func classifyRefusedTunnel(code int) retry.Outcome {
	if code < http.StatusInternalServerError || classifyStatus(code).Class == retry.Rejected {
		return retry.Outcome{Class: retry.Rejected}
	}
	return retry.Outcome{Class: retry.Transient}
}

// refusedTunnel reports whether err shows that a proxy had no tunnel for base, so that the request
// was not sent. Its text is proof only if it comes from http.Transport itself.
func refusedTunnel(base http.RoundTripper, req *http.Request, err error) bool {
	if _, ok := base.(*http.Transport); !ok || err == nil {
		return false
	}
	code, ok := connectStatus(req, err)
	return ok && isGatewayFailure(code)
}

// connectStatus returns the status of a proxy's answer to the CONNECT that http.Transport sends
// before a request to an https URL. Its error is errors.New of the reason phrase.
func connectStatus(req *http.Request, err error) (code int, ok bool) {
	if req != nil && (req.URL == nil || req.URL.Scheme != "https") {
		return 0, false
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	if reflect.TypeOf(err) != plainError {
		return 0, false
	}
	code, ok = reasonPhrases[strings.ToLower(err.Error())]
	return code, ok
}

var plainError = reflect.TypeOf(errors.New(""))

// reasonPhrases has the status of each reason phrase, in lower case, of 300 and above.
var reasonPhrases = func() map[string]int {
	phrases := map[string]int{ // those of nginx and Apache that differ from the registered ones
		"moved temporarily": 302, "not allowed": 405, "request time-out": 408, "request entity too large": 413,
		"request-uri too large": 414, "requested range not satisfiable": 416, "proxy error": 502,
		"service temporarily unavailable": 503, "gateway time-out": 504,
	}
	for code := http.StatusMultipleChoices; code < 600; code++ {
		if phrase := http.StatusText(code); phrase != "" {
			phrases[strings.ToLower(phrase)] = code
		}
	}
	return phrases
}()
