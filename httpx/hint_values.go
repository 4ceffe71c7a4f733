package httpx

import (
	"net/http"
	"time"
)

// serverClock parses the times in a response's header by the clock of the server that wrote them.
type serverClock struct {
	header http.Header
	local  func() time.Time
}

// now returns the server's time: the response's Date plus its Age, for which a cache has held it,
// or the local time if there is no Date.
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
	// epoch is the least wait that is taken for a time since 1970: as a wait it would be 31 years,
	// as a time it is in 2001.
	epoch = 1_000_000_000 * time.Second
	// epochMillis is the number of seconds from which on such a time is in milliseconds: in
	// seconds the year would be 5138, in milliseconds it is 1973.
	epochMillis = 100_000_000_000
	// epochEnd is the number of milliseconds from which on it is neither: the year 5138.
	epochEnd = 1000 * epochMillis
)

// parseValue parses a wait in any form that servers use: those of parseWait, a Go duration
// ("6m0s"), or a date as in HTTP (RFC 9110, section 10.2.3) or RFC 3339.
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

// parseWait parses a number of units: how long to wait or, if that is from or longer, the time
// since 1970 until which to wait. Such a time is in seconds or milliseconds; in other units every
// number is a wait.
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

// parseDuration parses a Go duration without a sign and returns at most maxWait. v is not empty.
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

// parseTime parses a date. One in RFC 3339 may omit the seconds, as Jira does, but not the zone.
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
