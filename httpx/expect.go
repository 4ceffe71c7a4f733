package httpx

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

// A server that answers 417 has refused the request's Expect, and not looked at the request. The
// client sends it again without that (RFC 9110, section 10.1.1), at once, and once: what the
// next attempt is answered counts.

const headerExpect = "Expect"

// noteExpect notes that an attempt's Expect was refused.
func (c *call) noteExpect(attempt int, sent *http.Request, resp *http.Response) {
	if resp != nil && resp.StatusCode == http.StatusExpectationFailed && attempt <= 63 &&
		len(sent.Header[headerExpect]) > 0 {
		c.unexpects.Or(1 << attempt)
	}
}

// dropsExpect reports whether attempts have no Expect any more.
func (c *call) dropsExpect() bool { return c.unexpects.Load() != 0 }

// unexpected reports whether an attempt was refused for its Expect alone.
func (c *call) unexpected(attempt int, resp *http.Response, o retry.Outcome) bool {
	return resp != nil && resp.StatusCode == http.StatusExpectationFailed && o.Class != retry.Success &&
		attempt <= 63 && c.unexpects.Load()&(1<<attempt) != 0 && shouldRetry(resp.Header) != "false"
}
