package httpx

import "time"

// formatTimeout writes a Request-Timeout, never longer than d: in milliseconds, or in what is left of one.
func formatTimeout(d time.Duration) string {
	unit := time.Millisecond
	if d < unit {
		unit = time.Microsecond
	}
	return max(d.Truncate(unit), time.Microsecond).String()
}
