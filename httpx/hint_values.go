package httpx

import (
	"net/http"
	"time"
)

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

// parseValue reads a wait in any form that servers use: a number of units or, if that is as long
// as from, of the time since 1970; a Go duration, "6m0s"; a date of HTTP's (RFC 9110, section
// 10.2.3) or RFC 3339's.
func (c serverClock) parseValue(v string, unit, from time.Duration) (time.Duration, bool) {
	if v == "" {
		return 0, false
	}
	if d, ok := c.parseWait(v, unit, from); ok {
		return d, true
	}
	if d, ok := parseDuration(v); ok {
		return d, true
	}
	t, ok := parseTime(v)
	if !ok {
		return 0, false
	}
	return c.until(t), true
}

// parseWait reads a number of units: the wait from now or, if that is as long as from, the time
// since 1970 until when to wait. Such a time is in seconds or milliseconds, so that with other
// units there is none.
func (c serverClock) parseWait(v string, unit, from time.Duration) (time.Duration, bool) {
	n, ok := parseDecimal(v)
	if !ok {
		return 0, false
	}
	if d := n.times(unit); d < from || unit != time.Second && unit != time.Millisecond {
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

// parseDuration reads a Go duration without a sign, at most maxWait.
func parseDuration(v string) (time.Duration, bool) {
	if v[0] != '.' && (v[0] < '0' || v[0] > '9') {
		return 0, false
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, false
	}
	return min(d, maxWait), true
}

// parseTime reads a date. RFC 3339's may leave out the seconds, as Jira's do, but not the zone.
func parseTime(v string) (time.Time, bool) {
	if t, err := http.ParseTime(v); err == nil {
		return t, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
