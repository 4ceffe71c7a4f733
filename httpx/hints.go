package httpx

import (
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	headerShouldRetry = "X-Should-Retry"
	// maxWait bounds what a server can ask for before retry.Config.MaxHint does: no arithmetic
	// overflows with it.
	maxWait = 365 * 24 * time.Hour
	// maxAge is the greatest Age that counts (RFC 9111, section 1.2.2).
	maxAge = 1 << 31 * time.Second
	// maxHeader is the longest header value that is read, in bytes.
	maxHeader = 256
)

// withHints adds to the outcome of a response of 400 and above what the server says about
// retrying.
func withHints(o retry.Outcome, resp *http.Response, now func() time.Time) retry.Outcome {
	switch strings.ToLower(first(resp.Header, headerShouldRetry)) {
	case "false":
		if o.Class != retry.Rejected || resp.StatusCode >= http.StatusInternalServerError {
			o.Forbidden = retry.ReasonNoRetry
			o.After = waitAsked(resp.Header, isThrottled(resp.StatusCode), now) // for a loop that makes such calls
		}
		return o
	case "true":
		if o.Class == retry.Rejected {
			o = retry.Outcome{Class: retry.Transient}
		}
	}
	if o.Class != retry.Rejected {
		o.After = waitAsked(resp.Header, isThrottled(resp.StatusCode), now)
	}
	return o
}

// isThrottled reports whether the headers of rate limits count after a status.
func isThrottled(code int) bool {
	return code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable
}

// first returns the first value of a header, or "" if that is absent or too long to mean anything.
func first(h http.Header, name string) string {
	v := h[name]
	if len(v) == 0 || len(v[0]) > maxHeader {
		return ""
	}
	return strings.TrimSpace(v[0])
}

// waitAsked returns how long the server asks the client to wait, or 0 if it does not ask, or not
// any more. The headers of rate limits count only if limited.
func waitAsked(h http.Header, limited bool, now func() time.Time) time.Duration {
	clock := serverClock{h, now}
	if d, ok := clock.parseWait(first(h, "Retry-After-Ms"), time.Millisecond, epoch); ok {
		return d
	}
	if d, ok := clock.parseRetryAfter(first(h, "Retry-After")); ok {
		return d
	}
	if !limited {
		return 0
	}
	if d, ok := clock.parseRateLimit(first(h, "Ratelimit")); ok {
		return d
	}
	if d, ok := clock.parseReset("Ratelimit-Remaining", "Ratelimit-Reset"); ok {
		return d
	}
	d, _ := clock.parseReset("X-Ratelimit-Remaining", "X-Ratelimit-Reset")
	return d
}

// serverClock reads the times in a response's header by the clock of the server that wrote them.
type serverClock struct {
	header http.Header
	local  func() time.Time
}

// now returns the server's time. That is the response's Date, plus the time that a cache has held
// it since (Age), or the local time if there is no Date.
func (c serverClock) now() time.Time {
	t, err := http.ParseTime(first(c.header, "Date"))
	if err != nil {
		return c.local()
	}
	age, _ := parseDecimal(first(c.header, "Age"))
	return t.Add(min(age.times(time.Second), maxAge))
}

// until returns the time left until t, within 0 and maxWait.
func (c serverClock) until(t time.Time) time.Duration { return min(max(t.Sub(c.now()), 0), maxWait) }

// parseRetryAfter reads seconds or a date (RFC 9110, section 10.2.3).
func (c serverClock) parseRetryAfter(v string) (time.Duration, bool) {
	if d, ok := c.parseWait(v, time.Second, epoch); ok || v == "" {
		return d, ok
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return c.until(t), true
}

const (
	// epoch is how long a wait has to be at least to be a time since 1970: as a wait it would be
	// 31 years, as a time it is in 2001.
	epoch = 1_000_000_000 * time.Second
	// epochMillis is the number of seconds from which on such a time is in milliseconds: in
	// seconds the year would be 5138, in milliseconds it is 1973.
	epochMillis = 100_000_000_000
	// epochEnd is the number of milliseconds from which on it is neither: the year 5138.
	epochEnd = 1000 * epochMillis
)

// parseWait reads a number of units, seconds or milliseconds: the wait from now or, if that is as
// long as from, the time since 1970 until when to wait.
func (c serverClock) parseWait(v string, unit, from time.Duration) (time.Duration, bool) {
	n, ok := parseDecimal(v)
	if !ok {
		return 0, false
	}
	if d := n.times(unit); d < from {
		return min(d, maxWait), true
	}
	if unit == time.Second && n.whole < epochMillis {
		return c.until(time.Unix(n.whole, n.billionths)), true
	}
	if n.whole >= epochEnd {
		return maxWait, true
	}
	return c.until(time.UnixMilli(n.whole)), true
}

// parseReset reads the headers of the draft's older form, RateLimit-Remaining and
// RateLimit-Reset, and their X- predecessors. They have always been times for some, so that what
// is longer than a year is one.
func (c serverClock) parseReset(remaining, reset string) (time.Duration, bool) {
	if left := first(c.header, remaining); left != "" && left != "0" {
		return 0, false // some other limit was hit
	}
	return c.parseWait(first(c.header, reset), time.Second, maxWait)
}

// parseRateLimit reads RateLimit in both forms of its draft
// (draft-ietf-httpapi-ratelimit-headers): a list of policies, `"default";r=0;t=30`, and before
// version 8 a dictionary, `limit=100, remaining=0, reset=30`. Of several limits that are used up
// the longest wait counts.
func (c serverClock) parseRateLimit(v string) (wait time.Duration, ok bool) {
	if !strings.Contains(v, ";") {
		v = strings.ReplaceAll(v, ",", ";") // one policy
	}
	for policy := range strings.SplitSeq(v, ",") {
		d, found := c.parseLimit(policy)
		if found && d >= wait {
			wait, ok = d, true
		}
	}
	return wait, ok
}

// parseLimit reads one policy's parameters. One that has something left asks for nothing.
func (c serverClock) parseLimit(policy string) (wait time.Duration, ok bool) {
	for param := range strings.SplitSeq(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		switch name {
		case "r", "remaining":
			if value != "0" {
				return 0, false
			}
		case "t", "reset":
			wait, ok = c.parseWait(value, time.Second, epoch)
		}
	}
	return wait, ok
}
