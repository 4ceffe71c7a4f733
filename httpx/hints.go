package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	headerShouldRetry = "X-Should-Retry"
	// maxWait bounds what a server can ask for before retry.Config.MaxHint does: no arithmetic overflows with it.
	maxWait = 365 * 24 * time.Hour
	// maxHeader is the longest header value that is looked at, in bytes.
	maxHeader = 256
)

// withHints adds to the outcome of a response of 400 and above what the server says about retrying.
func withHints(o retry.Outcome, resp *http.Response, now func() time.Time) retry.Outcome {
	switch strings.ToLower(first(resp.Header, headerShouldRetry)) {
	case "false":
		if o.Class != retry.Rejected || resp.StatusCode >= http.StatusInternalServerError {
			o.NoRetry = true
		}
		return o
	case "true":
		if o.Class == retry.Rejected {
			o = retry.Outcome{Class: retry.Transient}
		}
	}
	if o.Class != retry.Rejected {
		o.After = waitAsked(resp.Header, o.Class == retry.Throttled, now)
	}
	return o
}

// first is the first value of a header, or "" if that is too long to mean anything.
func first(h http.Header, name string) string {
	v := h[name]
	if len(v) == 0 || len(v[0]) > maxHeader {
		return ""
	}
	return strings.TrimSpace(v[0])
}

// waitAsked is how long the server asks the client to wait; 0: it does not, or not any more.
func waitAsked(h http.Header, throttled bool, now func() time.Time) time.Duration {
	if d, ok := parseNumber(first(h, "Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	if v := first(h, "Retry-After"); v != "" {
		if d, ok := parseRetryAfter(v, h, now); ok {
			return d
		}
	}
	if !throttled {
		return 0
	}
	if d, ok := parseRateLimit(first(h, "Ratelimit")); ok {
		return d
	}
	if d, ok := parseReset(h, "Ratelimit-Remaining", "Ratelimit-Reset", now); ok {
		return d
	}
	d, _ := parseReset(h, "X-Ratelimit-Remaining", "X-Ratelimit-Reset", now)
	return d
}

// parseRetryAfter reads seconds or a date (RFC 9110, section 10.2.3).
func parseRetryAfter(v string, h http.Header, now func() time.Time) (time.Duration, bool) {
	if d, ok := parseNumber(v, time.Second); ok {
		return d, true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return bounded(t.Sub(serverTime(h, now))), true
}

// serverTime is the time by the server's clock when it answered: a date that it gives is meant by that one.
func serverTime(h http.Header, now func() time.Time) time.Time {
	if t, err := http.ParseTime(first(h, "Date")); err == nil {
		return t
	}
	return now()
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), maxWait) }

// parseNumber reads a decimal number of units, "1.5": digits and at most one point, so neither signs nor exponents.
func parseNumber(v string, unit time.Duration) (time.Duration, bool) {
	if v == "" || strings.Trim(v, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return maxWait, strings.Count(v, ".") <= 1 && v != "." // out of range
	}
	if f >= float64(maxWait/unit) {
		return maxWait, true
	}
	return time.Duration(f * float64(unit)), true
}

// parseReset reads the headers of the draft's older form, RateLimit-Remaining and RateLimit-Reset, and their X-
// predecessors: seconds from now, or a time since 1970 in seconds or milliseconds.
func parseReset(h http.Header, remaining, reset string, now func() time.Time) (time.Duration, bool) {
	v := first(h, reset)
	d, ok := parseNumber(v, time.Second)
	if !ok {
		return 0, false
	}
	if left := first(h, remaining); left != "" && left != "0" {
		return 0, false // some other limit was hit
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || d < maxWait {
		return d, true
	}
	const millis = 1e11 // in seconds the year 5138, in milliseconds 1973
	if n >= millis {
		n /= 1000
	}
	if n >= millis {
		return maxWait, true
	}
	at := time.UnixMilli(int64(n * 1000))
	return bounded(at.Sub(serverTime(h, now))), true
}

// parseRateLimit reads RateLimit in both forms of its draft (draft-ietf-httpapi-ratelimit-headers): a list of policies,
// `"default";r=0;t=30`, and before version 8 a dictionary, `limit=100, remaining=0, reset=30`. Of several limits that
// are used up the longest wait counts.
func parseRateLimit(v string) (wait time.Duration, ok bool) {
	if v == "" {
		return 0, false
	}
	if !strings.Contains(v, ";") {
		v = strings.ReplaceAll(v, ",", ";") // one policy
	}
	for _, policy := range strings.Split(v, ",") {
		d, found := parseLimit(policy)
		if found && d >= wait {
			wait, ok = d, true
		}
	}
	return wait, ok
}

// parseLimit reads one policy's parameters. One that has something left asks for nothing.
func parseLimit(policy string) (wait time.Duration, ok bool) {
	for _, param := range strings.Split(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		switch name {
		case "r", "remaining":
			if value != "0" {
				return 0, false
			}
		case "t", "reset":
			wait, ok = parseNumber(value, time.Second)
		}
	}
	return wait, ok
}
