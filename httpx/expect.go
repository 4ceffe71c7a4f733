package httpx

import (
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

// A server that answers 417 has refused the request's Expect header and nothing else. The call
// sends the request again without it (RFC 9110, section 10.1.1), at once and only once.

const headerExpect = "Expect"

// noteExpect records whether an attempt with an Expect header was answered 417.
func (c *call) noteExpect(attempt int, sent *http.Request, resp *http.Response) {
	if resp != nil && resp.StatusCode == http.StatusExpectationFailed && attempt <= 63 &&
		len(sent.Header[headerExpect]) > 0 {
		c.refused.Or(1 << attempt)
	}
}

// dropsExpect reports whether attempts are now sent without Expect.
func (c *call) dropsExpect() bool { return c.refused.Load() != 0 }

// expectRefused reports whether an attempt was refused for its Expect alone.
func (c *call) expectRefused(attempt int, resp *http.Response, o retry.Outcome) bool {
	return resp != nil && resp.StatusCode == http.StatusExpectationFailed && o.Class != retry.Success &&
		attempt <= 63 && c.refused.Load()&(1<<attempt) != 0 && shouldRetry(resp.Header) != "false"
}
