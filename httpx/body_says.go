package httpx

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// said holds the word of an answer's body about another attempt.
type said struct {
	spent quota         // a quota is used up that no wait within a call renews
	wait  time.Duration // how long to wait; 0: it does not say
}

// quota grades how certain it is that a quota is used up for long.
type quota uint8

const (
	unspent quota = iota
	vague         // unless the server asks for a wait: the code does not say for how long
	spent
)

// bodySays reads the JSON of an answer whose body may be looked at.
func bodySays(resp *http.Response) (s said) {
	if !isJSON(resp.Header) {
		return said{}
	}
	body := PeekBody(resp)
	if len(body) == 0 || len(body) > peekBytes { // no error is as long
		return said{}
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) != nil { // also if its end is missing
		return said{}
	}
	s.read(v, 0)
	return s
}

// maxNesting is how deep an error's details are looked for. Google's are four levels down.
const maxNesting = 8

func (s *said) read(v any, depth int) {
	if depth > maxNesting {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			s.read(e, depth+1)
		}
	case map[string]any:
		for name, e := range v {
			s.field(name, e)
			s.read(e, depth+1)
		}
		if t, _ := v["@type"].(string); strings.HasSuffix(t, "/google.rpc.RetryInfo") {
			s.retryInfo(v["retryDelay"])
		}
	}
}

// field reads a field that says what is wrong. Texts for people are not among them: they may quote
// what the caller sent.
func (s *said) field(name string, v any) {
	if n, ok := v.(json.Number); ok {
		switch name {
		case "retry_after":
			s.asks(n.String(), time.Second)
		case "retry_after_ms":
			s.asks(n.String(), time.Millisecond)
		}
	}
	text, ok := v.(string)
	if !ok || len(text) > maxHeader {
		return
	}
	switch simple(name) {
	case "code", "type", "status", "reason", "error", "errorcode", "errortype":
		s.spent = max(s.spent, spentQuotas[simple(text)])
	}
}

// retryInfo reads a duration as JSON has those of protobuf: "34.07s".
func (s *said) retryInfo(v any) {
	text, _ := v.(string)
	if digits, ok := strings.CutSuffix(text, "s"); ok {
		s.asks(digits, time.Second)
	}
}

// asks notes a wait of a number of units. The longest counts.
func (s *said) asks(number string, unit time.Duration) {
	if n, ok := parseDecimal(bounded(number)); ok {
		s.wait = max(s.wait, min(n.times(unit), maxWait))
	}
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// simple returns a name in the one spelling that insufficient_quota, InsufficientQuota and
// insufficient-quota have in common.
func simple(name string) string { return strings.ToLower(separators.Replace(name)) }

// spentQuotas are the codes of quotas that are renewed by the day or the month, or by a payment.
var spentQuotas = map[string]quota{
	// OpenAI, and those that speak as it does.
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
	// Many, and not all for the same.
	"quotaexceeded":  vague,
	"quotaexhausted": vague,
}
