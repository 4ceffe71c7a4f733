package experiments

import (
	"fmt"
	"strconv"
)

// Percent shows a ratio in percent, with the digits that tell 99.99 from 100.
func Percent(v float64) string {
	v *= 100
	switch {
	case v >= 99.95 && v < 99.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// Milliseconds shows whole milliseconds.
func Milliseconds(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) + " ms" }

// Times shows a ratio as a factor.
func Times(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "x" }

// Seconds shows whole seconds.
func Seconds(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) + " s" }

// Count shows a whole number in groups of three digits.
func Count(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Millions shows a large number in millions.
func Millions(v float64) string { return fmt.Sprintf("%.2f M", v/1e6) }

// Mebibytes shows bytes.
func Mebibytes(v float64) string { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }
