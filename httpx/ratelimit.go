package httpx

import (
	"iter"
	"net/http"
	"slices"
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
func (l limit) used() bool {
	number, _, _ := strings.Cut(l.left, ";")
	number, _, _ = strings.Cut(number, ",")
	n, ok := parseDecimal(strings.TrimSpace(number))
	return ok && n == decimal{}
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
	if d, ok := c.policyWait(); ok {
		return d
	}
	var known, unknown time.Duration
	any := false
	for _, l := range c.limits() {
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

// policyWait returns the longest wait of the policies of RateLimit that have nothing left, or do
// not say.
func (c serverClock) policyWait() (wait time.Duration, ok bool) {
	for _, p := range c.policies() {
		if p.timed && !p.some {
			wait, ok = max(wait, p.reset), true
		}
	}
	return wait, ok
}

// usedUp reports whether a response says that a limit has nothing left.
func usedUp(h http.Header) bool {
	c := serverClock{h, time.Now}
	return slices.ContainsFunc(c.policies(), func(p policy) bool { return p.none }) ||
		slices.ContainsFunc(c.limits(), limit.used)
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
	i := slices.IndexFunc(*limits, func(l limit) bool { return l.name == name })
	if i < 0 {
		if i = len(*limits); i == maxLimits {
			return nil
		}
		*limits = append(*limits, limit{name: name})
	}
	return &(*limits)[i]
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

// policy holds what one item of RateLimit says of a limit.
type policy struct {
	none, some bool // is left
	reset      time.Duration
	timed      bool // reset is known
}

// policies reads RateLimit in both forms of its draft (draft-ietf-httpapi-ratelimit-headers): a
// list of policies, `"default";r=0;t=30`, and before version 8 a dictionary of one,
// `limit=100, remaining=0, reset=30`. A list may be spread over several lines.
func (c serverClock) policies() (all []policy) {
	lines := c.header["Ratelimit"]
	for _, line := range lines[:min(len(lines), maxLists)] {
		line = bounded(line)
		if isDictionary(line) {
			line = strings.ReplaceAll(line, ",", ";")
		}
		for item := range splitUnquoted(line, ',') {
			all = append(all, c.parsePolicy(item))
		}
	}
	return all
}

// parsePolicy reads the parameters of one policy.
func (c serverClock) parsePolicy(item string) (p policy) {
	for param := range splitUnquoted(item, ';') {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		switch name {
		case "r", "remaining":
			p.none = p.none || value == "0"
			p.some = p.some || value != "0"
		case "t", "reset":
			p.reset, p.timed = c.parseWait(value, time.Second, epoch)
		}
	}
	return p
}

// isDictionary reports whether a line of RateLimit begins with a key of the older form.
func isDictionary(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	return slices.Contains([]string{"limit", "remaining", "reset"}, strings.TrimSpace(key))
}

// splitUnquoted yields the parts of a structured field (RFC 9651) between separators that are in
// no string.
func splitUnquoted(v string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(v); i++ {
			switch {
			case quoted && v[i] == '\\':
				i++
			case v[i] == '"':
				quoted = !quoted
			case v[i] == separator && !quoted:
				if !yield(v[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(v[start:])
	}
}
