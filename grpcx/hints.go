package grpcx

import (
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxDetails bounds how many of a status's details are looked at.
const maxDetails = 16

// hint is what the server asked for.
type hint struct {
	given   bool // it asked for a wait, or for none
	noRetry bool
	after   time.Duration
}

// hintOf reads pushback from the trailer, and only without that RetryInfo from the status.
func hintOf(st *status.Status, trailer metadata.MD) hint {
	if values := trailer[pushbackKey]; len(values) > 0 {
		return pushback(values)
	}
	return retryInfo(st)
}

// pushback reads grpc-retry-pushback-ms (gRFC A6). All but one whole number of 32 bits means: do not retry.
func pushback(values []string) hint {
	if len(values) != 1 {
		return hint{noRetry: true}
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || ms < 0 {
		return hint{noRetry: true}
	}
	return hint{given: true, after: time.Duration(max(ms, 1)) * time.Millisecond} // at once is a wait, too: no backoff
}

// retryInfo reads the longest wait of all google.rpc.RetryInfo among the first details; those that are malformed or
// negative are not there.
func retryInfo(st *status.Status) (h hint) {
	details := st.Details() // unlike st.Proto, no copy where there are none
	for _, d := range details[:min(len(details), maxDetails)] {
		info, ok := d.(*errdetails.RetryInfo)
		if !ok || info.RetryDelay.CheckValid() != nil || info.RetryDelay.AsDuration() < 0 {
			continue
		}
		h.given = true
		h.after = max(h.after, info.RetryDelay.AsDuration())
	}
	return h
}
