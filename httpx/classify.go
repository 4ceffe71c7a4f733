package httpx

import (
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Classify is the default classifier.
func Classify(req *http.Request, resp *http.Response, err error) retry.Outcome {
	if err != nil {
		return classifyError(err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return retry.Outcome{}
	}
	return withHints(classifyStatus(resp.StatusCode), resp, time.Now())
}

func classifyStatus(code int) retry.Outcome {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return retry.Outcome{Class: retry.Throttled}
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusGatewayTimeout:
		return retry.Outcome{Class: retry.Transient}
	}
	return retry.Outcome{Class: retry.Rejected, Alive: true}
}
