package httpx

import (
	"iter"
	"strings"
)

// policies yields the policies of a line of RateLimit. The older form is a dictionary of one.
func policies(v string) iter.Seq[string] {
	if isDictionary(v) {
		v = strings.ReplaceAll(v, ",", ";")
	}
	return splitUnquoted(v, ',')
}

// isDictionary reports whether v begins with a key of the older form.
func isDictionary(v string) bool {
	key, _, _ := strings.Cut(v, "=")
	switch strings.TrimSpace(key) {
	case "limit", "remaining", "reset":
		return true
	}
	return false
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
