package httpx

import (
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// limit holds what a response says of one rate limit. An API may have several, and names the
// headers by them: X-RateLimit-Reset-Tokens, anthropic-ratelimit-requests-reset.
type limit struct {
	name  string        // the headers' name without the word of kinds
	left  string        // the value of the header for what is left; "": unknown
	reset time.Duration // until there is more
	timed kind          // of the header that reset is from; noKind: reset is unknown
}

// used reports whether nothing is left of the limit. The value may have parameters, "0;w=60".
func (l limit) used() bool {
	number, _, _ := strings.Cut(l.left, ";")
	number, _, _ = strings.Cut(number, ",")
	n, ok := parseDecimal(strings.TrimSpace(number))
	return ok && n == decimal{}
}

// resets sets when a limit has more again. The greater kind counts, and of one kind the longer
// time.
func (l *limit) resets(k kind, in time.Duration) {
	if k == l.timed {
		in = max(in, l.reset)
	}
	if k >= l.timed {
		l.timed, l.reset = k, in
	}
}

const (
	// maxLimits is how many limits of a response are read.
	maxLimits = 16
	// maxLists is how many RateLimit headers of a response are read.
	maxLists = 8
)

// limitWait returns how long to wait for the server's rate limits. RateLimit goes first. Of the
// other limits the longest wait of those that are used up counts or, if there is none, of those
// that do not say how much is left.
func (c serverClock) limitWait() time.Duration {
	if d, ok := c.policyWait(); ok {
		return d
	}
	var known, unknown time.Duration
	found := false
	for _, l := range c.limits() {
		switch {
		case l.timed == noKind:
		case l.used():
			known, found = max(known, l.reset), true
		case l.left == "":
			unknown = max(unknown, l.reset)
		}
	}
	if found {
		return known
	}
	return unknown
}

// policyWait returns the longest wait of the policies of RateLimit that have nothing left, or do
// not say how much.
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
			from := maxWait // a year or more is a time since 1970
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

// find returns the limit with a name, which it adds if needed, or nil if there is no room.
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

// kind classifies what a header says of a rate limit.
type kind uint8

const (
	noKind    kind = iota
	remaining      // how much is left
	reset          // when there is more: a number of seconds, or a time, for which clocks must agree
	wait           // when there is more: a number of seconds, and so greater than reset
)

// splitLimit splits the name of a header into the name of its limit and its kind. The word of
// kinds may be anywhere after "ratelimit": X-RateLimit-Remaining-Tokens,
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

// kinds has the words in the names of headers, each before its own prefixes.
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

// policy holds one item of RateLimit.
type policy struct {
	none, some bool // whether nothing, or something, is left; both false: unknown
	reset      time.Duration
	timed      bool // reset is known
}

// policies parses RateLimit in both forms of its draft (draft-ietf-httpapi-ratelimit-headers): a
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

// parsePolicy parses the parameters of one policy.
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

// isDictionary reports whether a RateLimit header has the older form.
func isDictionary(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	return slices.Contains([]string{"limit", "remaining", "reset"}, strings.TrimSpace(key))
}

// splitUnquoted yields the parts of a structured field (RFC 9651) between separators outside of
// strings.
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
