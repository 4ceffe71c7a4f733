package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	mustBeObject = "must be a JSON object"
	mustBeName   = "must be a name, or an object with one name as its key"
)

// syntax returns an error if data is not JSON, with the place. what states what data must be, for
// the error.
func syntax(data []byte, what string) error {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return errors.New(what + ": begins with a byte order mark (BOM), save it as plain UTF-8")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return errors.New(what + ": is UTF-16, save it as plain UTF-8")
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New(what + ": is empty")
	}
	err := json.Unmarshal(data, new(json.RawMessage))
	wrong, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return nil
	}
	at := int(wrong.Offset) // just behind what is wrong
	if strings.HasPrefix(wrong.Error(), "unexpected end") {
		at++
	}
	line, column := place(data, at)
	if what == mustBeObject && strings.HasSuffix(wrong.Error(), "after top-level value") {
		what = "must be one JSON object and nothing after it"
	}
	return fmt.Errorf("%s: line %d, column %d: %s", what, line, column, wrong)
}

// place returns the line and column of the byte before at, both from 1.
func place(data []byte, at int) (line, column int) {
	before := data[:max(at-1, 0)]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// Nearest returns the known name that is closest to name, or "" if none is close.
func Nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", min(len(name)/3, 3)+1
	for _, k := range known {
		d := min(distance(name, k), distance(Snake(name), k))
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance returns how many bytes must be added, removed, replaced or swapped with their neighbor
// to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older := before
		before = row
		row = make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(before[j]+same, before[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
