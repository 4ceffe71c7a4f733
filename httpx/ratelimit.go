package httpx

import (
	"net/http"
	"strings"
	"time"
)

// limit holds what a response says of one rate limit. An API has several, and names its headers by
// the limit: X-RateLimit-Reset-Tokens, anthropic-ratelimit-requests-reset.
type limit struct {
	name  string // the headers' name without the word for what they say
	left  string // what is left; "": unknown
	reset time.Duration
	timed kind // what reset is from; noKind: it is unknown
}

// used reports whether the limit says that nothing is left. A value may have parameters, "0;w=60".
func (l *limit) used() bool {
	number := l.left
	if end := strings.IndexAny(number, ";,"); end >= 0 {
		number = number[:end]
	}
	n, ok := parseDecimal(strings.TrimSpace(number))
	return ok && n.zero()
}

// resets notes when a limit has more again. A number of seconds goes before a time, for which the
// clocks have to agree.
func (l *limit) resets(k kind, in time.Duration) {
	if k == l.timed {
		in = max(in, l.reset)
	}
	if k >= l.timed {
		l.timed, l.reset = k, in
	}
}

const (
	// maxLimits is how many limits of a response are told apart.
	maxLimits = 16
	// maxLists is how many lines of a RateLimit are read.
	maxLists = 8
)

// limitWait returns how long to wait for a limit that a server has: the longest wait of those that
// are used up or, if there is none, of those that do not say how much is left.
func (c serverClock) limitWait() time.Duration {
	if d, ok := c.parseLists(); ok {
		return d
	}
	var known, unknown time.Duration
	any := false
	limits := c.limits()
	for i := range limits {
		l := &limits[i]
		switch {
		case l.timed == noKind:
		case l.used():
			known, any = max(known, l.reset), true
		case l.left == "":
			unknown = max(unknown, l.reset)
		}
	}
	if any {
		return known
	}
	return unknown
}

// usedUp reports whether a response says that a limit has nothing left.
func usedUp(h http.Header) bool {
	c := serverClock{h, time.Now}
	for i, v := range h["Ratelimit"] {
		if i < maxLists && listIsUsed(bounded(v)) {
			return true
		}
	}
	for _, l := range c.limits() {
		if l.used() {
			return true
		}
	}
	return false
}

// limits collects the limits that a response's headers name.
func (c serverClock) limits() (limits []limit) {
	for name, values := range c.header {
		if len(values) == 0 || len(name) > maxHeader {
			continue
		}
		of, kind := splitLimit(name)
		if kind == noKind {
			continue
		}
		of, inMillis := strings.CutSuffix(of, "-ms")
		l, v, unit := find(&limits, of), bounded(values[0]), time.Second
		if inMillis {
			unit = time.Millisecond
		}
		switch {
		case l == nil || v == "":
		case kind == remaining:
			l.left = v
		default:
			from := maxWait // what is longer than a year is a time: for some it has always been one
			if kind == wait {
				from = epoch
			}
			if d, ok := c.parseValue(v, unit, from); ok {
				l.resets(kind, d)
			}
		}
	}
	return limits
}

// find returns the limit of a name, new if there is room for it, or nil.
func find(limits *[]limit, name string) *limit {
	for i := range *limits {
		if l := &(*limits)[i]; l.name == name {
			return l
		}
	}
	if len(*limits) == maxLimits {
		return nil
	}
	*limits = append(*limits, limit{name: name})
	return &(*limits)[len(*limits)-1]
}

// kind names what a header says of a rate limit.
type kind uint8

const (
	noKind    kind = iota
	remaining      // how much is left
	reset          // when there is more: a number of seconds, or a time
	wait           // a number of seconds
)

// splitLimit splits the name of a header into that of its limit and what it says of it. The word
// for that stands anywhere behind "ratelimit": X-RateLimit-Remaining-Tokens and
// anthropic-ratelimit-tokens-remaining.
func splitLimit(name string) (of string, k kind) {
	if !strings.Contains(name, "imit") { // most headers
		return "", noKind
	}
	name = strings.ReplaceAll(strings.ToLower(name), "rate-limit", "ratelimit")
	at := strings.Index(name, "ratelimit")
	if at < 0 {
		return "", noKind
	}
	for _, w := range kinds {
		if before, after, ok := strings.Cut(name[at:], w.word); ok && (after == "" || after[0] == '-') {
			return name[:at] + before + after, w.kind
		}
	}
	return "", noKind
}

// kinds are the words, the longer before those that they begin with.
var kinds = []struct {
	word string
	kind kind
}{
	{"-remaining", remaining},
	{"-reset-after", wait},
	{"-retry-after", wait},
	{"-resettime", reset},
	{"-reset", reset},
	{"-next", reset},
}

// parseLists reads RateLimit in both forms of its draft
// (draft-ietf-httpapi-ratelimit-headers): a list of policies, `"default";r=0;t=30`, and before
// version 8 a dictionary, `limit=100, remaining=0, reset=30`. A list may be spread over several
// lines. Of several limits that are used up the longest wait counts.
func (c serverClock) parseLists() (wait time.Duration, ok bool) {
	for i, v := range c.header["Ratelimit"] {
		if i == maxLists {
			break
		}
		if d, found := c.parseRateLimit(bounded(v)); found {
			wait, ok = max(wait, d), true
		}
	}
	return wait, ok
}

// parseRateLimit reads one line of RateLimit.
func (c serverClock) parseRateLimit(v string) (wait time.Duration, ok bool) {
	for policy := range policies(v) {
		if d, found := c.parseLimit(policy); found {
			wait, ok = max(wait, d), true
		}
	}
	return wait, ok
}

// parseLimit reads one policy's parameters. One that has something left asks for nothing.
func (c serverClock) parseLimit(policy string) (wait time.Duration, ok bool) {
	for param := range splitUnquoted(policy, ';') {
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

// listIsUsed reports whether a line of RateLimit has a policy of which nothing is left.
func listIsUsed(v string) bool {
	for policy := range policies(v) {
		for param := range splitUnquoted(policy, ';') {
			switch strings.TrimSpace(param) {
			case "r=0", "remaining=0":
				return true
			}
		}
	}
	return false
}
