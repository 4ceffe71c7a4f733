package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// formatTimeout returns d as a Request-Timeout: decimal seconds, "89.999s", rounded down to a
// millisecond or, if d is shorter than one, to a microsecond. It is never less than a microsecond.
func formatTimeout(d time.Duration) string {
	unit := time.Millisecond
	if d < unit {
		unit = time.Microsecond
	}
	micros := max(d.Truncate(unit).Microseconds(), 1)
	var buf [24]byte
	seconds := strconv.AppendFloat(buf[:0], float64(micros)/1e6, 'f', -1, 64) // exact, even for 292 years
	return string(append(seconds, 's'))
}

// opensTunnel reports whether a request with that method and header asks for a connection of its
// own: CONNECT, or an Upgrade to another protocol than HTTP, as for a WebSocket. Its deadline is
// that of the handshake, not of the conversation after it.
func opensTunnel(method string, h http.Header) bool {
	if method == http.MethodConnect {
		return true
	}
	for _, v := range h["Upgrade"] {
		for protocol := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(protocol)), "/")
			switch name {
			case "", "h2c", "http", "tls": // the request itself is answered over it
			default:
				return true
			}
		}
	}
	return false
}

// deadlineHeaders are the headers in which a request may send its timeout, each with its parser.
// The names are canonical.
var deadlineHeaders = [...]struct {
	name  string
	parse func(string) (time.Duration, bool)
}{
	{headerTimeout, parseTimeout},
	{"X-Envoy-Expected-Rq-Timeout-Ms", parseEnvoyMillis},
	{"Grpc-Timeout", parseGRPCTimeout},
	{"Connect-Timeout-Ms", parseMillis},
}

// maxValues is how many values of one header are read.
const maxValues = 4

// requestTimeout returns the shortest timeout in a request's headers, which may be 0 or less.
func requestTimeout(h http.Header) (left time.Duration, ok bool) {
	for _, header := range deadlineHeaders {
		values := h[header.name]
		for _, v := range values[:min(len(values), maxValues)] {
			if d, valid := header.parse(bounded(v)); valid && (!ok || d < left) {
				left, ok = d, true
			}
		}
	}
	return left, ok
}

// parseTimeout parses decimal seconds, "1.5s" or "1.5", or any other Go duration.
func parseTimeout(v string) (time.Duration, bool) {
	if d, ok := parseSeconds(strings.TrimSuffix(v, "s")); ok {
		return d, true
	}
	d, err := time.ParseDuration(v)
	return d, err == nil
}

// parseMillis parses whole milliseconds, without a sign.
func parseMillis(v string) (time.Duration, bool) {
	if !isDigits(v) {
		return 0, false
	}
	n, ok := parseDecimal(v)
	return n.times(time.Millisecond), ok
}

// parseEnvoyMillis parses milliseconds as parseMillis does, but ignores 0, which Envoy sends where
// there is no timeout.
func parseEnvoyMillis(v string) (time.Duration, bool) {
	d, ok := parseMillis(v)
	return d, ok && d != 0
}

// parseSeconds parses a decimal number of seconds, with or without a minus sign.
func parseSeconds(v string) (time.Duration, bool) {
	digits, negative := strings.CutPrefix(v, "-")
	n, ok := parseDecimal(digits)
	if !ok {
		return 0, false
	}
	if negative {
		return -n.times(time.Second), true
	}
	return n.times(time.Second), true
}

// grpcUnits are the units of gRPC's timeouts.
var grpcUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseGRPCTimeout parses one to eight digits and a unit (the gRPC protocol over HTTP/2).
func parseGRPCTimeout(v string) (time.Duration, bool) {
	last := len(v) - 1
	if last < 1 || last > 8 || !isDigits(v[:last]) || grpcUnits[v[last]] == 0 {
		return 0, false
	}
	n, ok := parseDecimal(v[:last])
	return n.times(grpcUnits[v[last]]), ok
}
