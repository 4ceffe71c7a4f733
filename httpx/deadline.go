package httpx

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// formatTimeout writes a Request-Timeout, never longer than d: in milliseconds, or in what is left of one.
func formatTimeout(d time.Duration) string {
	unit := time.Millisecond
	if d < unit {
		unit = time.Microsecond
	}
	left := max(d.Truncate(unit), time.Microsecond)
	if left < time.Millisecond { // String would say "µs", which is not ASCII
		return strconv.FormatInt(left.Microseconds(), 10) + "us"
	}
	return left.String()
}

// deadlineHeaders are the headers in which a request may say how much time it has, with what reads them. The keys are
// spelled as http.Header has them.
var deadlineHeaders = [...]struct {
	name  string
	parse func(string) (time.Duration, bool)
}{
	{headerTimeout, parseTimeout},
	{"X-Envoy-Expected-Rq-Timeout-Ms", parseMillis},
	{"Grpc-Timeout", parseGRPCTimeout},
	{"Connect-Timeout-Ms", parseMillis},
}

// maxValues is how many values of one header are looked at.
const maxValues = 4

// requestTimeout is how long a request says that it may take, the shortest if it says several; it may be 0 or less.
func requestTimeout(h http.Header) (left time.Duration, ok bool) {
	for _, header := range deadlineHeaders {
		values := h[header.name]
		for _, v := range values[:min(len(values), maxValues)] {
			if len(v) > maxHeader {
				continue
			}
			d, valid := header.parse(strings.TrimSpace(v))
			if valid && (!ok || d < left) {
				left, ok = d, true
			}
		}
	}
	return left, ok
}

// parseTimeout reads a Go duration, or bare digits as seconds.
func parseTimeout(v string) (time.Duration, bool) {
	if d, ok := parseUnits(v, time.Second); ok {
		return d, true
	}
	d, err := time.ParseDuration(v)
	return d, err == nil
}

func parseMillis(v string) (time.Duration, bool) { return parseUnits(v, time.Millisecond) }

// parseUnits reads digits, with or without a minus, as so many units; what is too large is the largest there is.
func parseUnits(v string, unit time.Duration) (time.Duration, bool) {
	digits, negative := strings.CutPrefix(v, "-")
	if digits == "" {
		return 0, false
	}
	most := math.MaxInt64 / int64(unit)
	n := int64(0)
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > most/10-1 {
			n = most // and stays there: what follows can only add to it
			continue
		}
		n = 10*n + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return time.Duration(n) * unit, true
}

// parseGRPCTimeout reads one to eight digits and a unit (the gRPC protocol over HTTP/2).
func parseGRPCTimeout(v string) (time.Duration, bool) {
	if len(v) < 2 || len(v) > 9 || v[0] == '-' {
		return 0, false
	}
	var unit time.Duration
	switch v[len(v)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	return parseUnits(v[:len(v)-1], unit)
}
