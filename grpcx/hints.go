package grpcx

import (
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

const (
	// maxDetails bounds how many of a status's details are read.
	maxDetails = 16
	// maxRetryInfo bounds the bytes of a RetryInfo: its one field takes fewer than 32.
	maxRetryInfo = 1 << 10
)

// hint holds what the server asked for.
type hint struct {
	given   bool // it asked for a wait, perhaps of 0
	noRetry bool // it asked for no retry
	after   time.Duration
}

// hintOf reads pushback from the trailer or, if there is none, RetryInfo from the status.
func hintOf(st *status.Status, trailer metadata.MD) hint {
	if values := trailer[pushbackKey]; len(values) > 0 {
		return pushback(values)
	}
	return retryInfo(st)
}

// pushback reads grpc-retry-pushback-ms (gRFC A6). Anything but a single number from 0 to 2^31-1
// means "do not retry".
func pushback(values []string) hint {
	if len(values) != 1 {
		return hint{noRetry: true}
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || ms < 0 {
		return hint{noRetry: true}
	}
	after := time.Duration(max(ms, 1)) * time.Millisecond // 0 is a wait as well: it replaces the backoff
	return hint{given: true, after: after}
}

// retryInfo reads the longest wait of all google.rpc.RetryInfo among the first details. It ignores
// those that are malformed or negative.
func retryInfo(st *status.Status) (h hint) {
	for value := range details(st, "google.rpc.RetryInfo") {
		var info errdetails.RetryInfo
		if proto.Unmarshal(value, &info) != nil || info.RetryDelay.CheckValid() != nil || info.RetryDelay.AsDuration() < 0 {
			continue
		}
		h.given = true
		h.after = max(h.after, info.RetryDelay.AsDuration())
	}
	return h
}

// details yields the encoded details of the named type among a status's first maxDetails, without
// those that are too large.
//
// Status.Details decodes every detail and Status.Proto copies every byte, and a server may send
// megabytes of them. So the field is read in place, by reflection. If gRPC renames it, details
// reads a copy.
func details(st *status.Status, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		list, ok := rawDetails(reflect.ValueOf(st))
		if !ok {
			list = reflect.ValueOf(st.Proto().GetDetails())
		}
		for i := range min(list.Len(), maxDetails) {
			detail := list.Index(i)
			if detail.IsNil() {
				continue
			}
			url, value := detail.Elem().FieldByName("TypeUrl").String(), detail.Elem().FieldByName("Value")
			if url[strings.LastIndexByte(url, '/')+1:] != name || value.Len() > maxRetryInfo {
				continue
			}
			if !yield(value.Bytes()) {
				return
			}
		}
	}
}

// rawDetails returns the list of *anypb.Any in a *status.Status. ok is false if this version of
// gRPC-Go has another layout.
func rawDetails(st reflect.Value) (list reflect.Value, ok bool) {
	if st.IsNil() || !knownStatus {
		return list, false
	}
	inner := st.Elem().FieldByIndex(innerStatus.Index)
	if inner.IsNil() {
		return list, false
	}
	return inner.Elem().FieldByIndex(innerDetails.Index), true
}

// The field of status.Status that holds its protobuf message, and that message's details.
var (
	innerStatus, hasStatus   = reflect.TypeFor[status.Status]().FieldByName("s")
	innerDetails, hasDetails = reflect.TypeFor[spb.Status]().FieldByName("Details")

	knownStatus = hasStatus && innerStatus.Type == reflect.TypeFor[*spb.Status]() &&
		hasDetails && innerDetails.Type == reflect.TypeFor[[]*anypb.Any]()
)
