package httpx

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// bodyHints holds what an answer's body says about another attempt.
type bodyHints struct {
	spent quota         // whether a quota is used up that no wait within a call renews
	wait  time.Duration // how long the server asks to wait; 0: it does not
}

// quota grades what an error code says about a quota. Of several codes the greatest value counts.
type quota uint8

const (
	unspent quota = iota // nothing
	vague                // used up for an unknown time: spent unless the server asks for a wait
	spent                // used up for longer than a call lasts
)

// parseBody returns the hints in an answer's JSON, if a classifier may read its body.
func parseBody(resp *http.Response) (h bodyHints) {
	if !isJSON(resp.Header) {
		return bodyHints{}
	}
	body := PeekBody(resp)
	if len(body) == 0 || len(body) > peekBytes { // no error is that long
		return bodyHints{}
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) != nil { // also if its end is missing
		return bodyHints{}
	}
	h.read(v, 0)
	return h
}

// maxNesting is how deep the details of an error may be. Google's are four levels down.
const maxNesting = 8

// read adds the hints in v and in the values that it contains.
func (h *bodyHints) read(v any, depth int) {
	if depth > maxNesting {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			h.read(e, depth+1)
		}
	case map[string]any:
		for name, e := range v {
			h.field(name, e)
			h.read(e, depth+1)
		}
		if t, _ := v["@type"].(string); strings.HasSuffix(t, "/google.rpc.RetryInfo") {
			h.retryInfo(v["retryDelay"])
		}
	}
}

// field adds the hint in a field that holds a wait or an error code. Texts for people are not
// read: they may quote what the caller sent.
func (h *bodyHints) field(name string, v any) {
	if n, ok := v.(json.Number); ok {
		switch name {
		case "retry_after":
			h.addWait(n.String(), time.Second)
		case "retry_after_ms":
			h.addWait(n.String(), time.Millisecond)
		}
	}
	text, ok := v.(string)
	if !ok || len(text) > maxHeader {
		return
	}
	switch simple(name) {
	case "code", "type", "status", "reason", "error", "errorcode", "errortype":
		h.spent = max(h.spent, quotaCodes[simple(text)])
	}
}

// retryInfo adds the wait of a protobuf duration in JSON: "34.07s".
func (h *bodyHints) retryInfo(v any) {
	text, _ := v.(string)
	if digits, ok := strings.CutSuffix(text, "s"); ok {
		h.addWait(digits, time.Second)
	}
}

// addWait adds a wait of a number of units. The longest counts.
func (h *bodyHints) addWait(number string, unit time.Duration) {
	if n, ok := parseDecimal(bounded(number)); ok {
		h.wait = max(h.wait, min(n.times(unit), maxWait))
	}
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// simple returns a name in lower case without separators, so that insufficient_quota,
// InsufficientQuota and insufficient-quota are equal.
func simple(name string) string { return strings.ToLower(separators.Replace(name)) }

// quotaCodes are the codes of quotas that are renewed by the day or the month, or by a payment.
var quotaCodes = map[string]quota{
	// OpenAI, and APIs like it.
	"insufficientquota":              spent,
	"billinghardlimitreached":        spent,
	"billingnotactive":               spent,
	"creditbalanceexhausted":         spent,
	"organizationusagelimitexceeded": spent,
	"organizationspendlimitexceeded": spent,
	"projectspendlimitexceeded":      spent,
	"exceededcurrentquotaerror":      spent, // Moonshot
	"insufficientbalance":            spent, // DeepSeek
	"insufficientcredits":            spent,
	// Anthropic, in error.details.error_code.
	"enforcedspendlimitreached": spent,
	"billingerror":              spent,
	// Google, in error.errors[].reason.
	"dailylimitexceeded": spent,
	// Several APIs, with different meanings.
	"quotaexceeded":  vague,
	"quotaexhausted": vague,
}
