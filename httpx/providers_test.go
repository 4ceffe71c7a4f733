package httpx_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// recorded is an answer of a provider's: its names and shapes, in our own words.
type recorded struct {
	status int
	header map[string]string // {+42s} stands for a time so far from now: see at
	body   string            // JSON unless the header has another type

	class retry.Class
	wait  time.Duration // at least, and up to a quarter more; 0: none
	sent  int           // of three attempts: 0 stands for 2, the second being answered 200
	why   retry.Reason  // 0: success
}

// providers are answers as the providers' documentation has them, as of November 2026.
var providers = map[string]recorded{
	"GitHub, primary limit": {
		403,
		map[string]string{
			"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-used": "60",
			"x-ratelimit-resource": "core",
			"x-ratelimit-reset":    "{unix+42s}",
		},
		`{"message":"API rate limit exceeded for 192.0.2.7.","documentation_url":"https://docs.github.com/rest"}`,
		retry.Throttled, 42 * time.Second, 0, 0,
	},
	"GitHub, secondary limit": {403, map[string]string{
		"retry-after": "60", "x-ratelimit-remaining": "4986", "x-ratelimit-reset": "{unix+1800s}",
	}, `{"message":"You have exceeded a secondary rate limit."}`, retry.Throttled, time.Minute, 0, 0},
	"GitHub, no permission": {
		403,
		map[string]string{
			"x-ratelimit-remaining": "4986",
			"x-ratelimit-reset":     "{unix+42s}",
		},
		`{"message":"Resource not accessible by personal access token"}`, retry.Rejected, 0, 1, retry.ReasonRejected,
	},
	"OpenAI, tokens": {
		429,
		map[string]string{
			"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
			"x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "0",
			"x-ratelimit-reset-tokens": "6.284s",
		},
		`{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`,
		retry.Throttled, 6284 * time.Millisecond, 0, 0,
	},
	"OpenAI, requests": {429, map[string]string{
		"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms",
		"x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
	}, `{"error":{"type":"requests","code":"rate_limit_exceeded"}}`, retry.Throttled, 120 * time.Millisecond, 0, 0},
	"OpenAI, six minutes": {429, map[string]string{
		"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
	}, `{"error":{"type":"tokens","code":"rate_limit_exceeded"}}`, retry.Throttled, 0, 1, retry.ReasonHint},
	"OpenAI, milliseconds first": {
		429,
		map[string]string{"retry-after-ms": "1250", "retry-after": "2"},
		`{}`,
		retry.Throttled, 1250 * time.Millisecond, 0, 0,
	},
	"OpenAI, quota": {
		429, nil,
		`{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
		retry.Rejected, 0, 1, retry.ReasonRejected,
	},
	"Anthropic, input tokens": {
		429,
		map[string]string{
			"anthropic-ratelimit-requests-remaining": "49", "anthropic-ratelimit-requests-reset": "{rfc3339+50s}",
			"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "{rfc3339+17s}",
		},
		`{"type":"error","error":{"type":"rate_limit_error","message":"input tokens per minute"}}`,
		retry.Throttled, 17 * time.Second, 0, 0,
	},
	"Anthropic, overloaded": {
		529,
		map[string]string{"x-should-retry": "true"},
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, retry.Throttled, 0, 0, 0,
	},
	"Anthropic, spend limit": {
		429, nil,
		`{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}`,
		retry.Rejected, 0, 1, retry.ReasonRejected,
	},
	"Stripe, lock": {
		409,
		map[string]string{"stripe-should-retry": "true"},
		`{"error":{"code":"lock_timeout"}}`,
		retry.Transient, 0, 0, 0,
	},
	"Stripe, not again": {
		500,
		map[string]string{"stripe-should-retry": "false"},
		`{"error":{"type":"api_error"}}`,
		retry.Transient, 0, 1, retry.ReasonNoRetry,
	},
	"Azure Resource Manager": {429, map[string]string{
		"retry-after": "17", "x-ms-ratelimit-remaining-subscription-reads": "0",
	}, `{"error":{"code":"TooManyRequests"}}`, retry.Throttled, 17 * time.Second, 0, 0},
	"Azure Cosmos DB": {
		429,
		map[string]string{"x-ms-retry-after-ms": "37.5", "x-ms-substatus": "3200"},
		`{"code":"TooManyRequests","message":"Request rate is large"}`, retry.Throttled, 37500 * time.Microsecond, 0,
		0,
	},
	"Amazon S3": {
		503,
		map[string]string{"Content-Type": "application/xml"},
		`<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`,
		retry.Throttled, 0, 0, 0,
	},
	"AWS, new retries": {
		500,
		map[string]string{"x-amz-retry-after": "1500"},
		`{}`, retry.Transient,
		1500 * time.Millisecond, 0, 0,
	},
	"Google, RetryInfo": {
		429, nil, `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
		{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinute"}]},
		{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074824224s"}]}}`,
		retry.Throttled, 34074824224, 0, 0,
	},
	"Google, for today": {
		429, nil,
		`{"error":{"errors":[{"domain":"usageLimits","reason":"dailyLimitExceeded"}],"code":429}}`,
		retry.Rejected, 0, 1, retry.ReasonRejected,
	},
	"a quota that is renewed soon": {
		429,
		map[string]string{"Retry-After": "2"},
		`{"error":{"code":"quota_exceeded"}}`,
		retry.Throttled, 2 * time.Second, 0, 0,
	},
	"a draft's problem": {
		429,
		map[string]string{"Content-Type": "application/problem+json"},
		`{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","violated-policies":["a"]}`,
		retry.Throttled, 0, 0, 0,
	},
	"Shopify": {
		429,
		map[string]string{"Retry-After": "2.0", "X-Shopify-Shop-Api-Call-Limit": "40/40"},
		`{"errors":"Exceeded 2 calls per second for api client."}`, retry.Throttled, 2 * time.Second, 0, 0,
	},
	"Slack": {
		429,
		map[string]string{"Retry-After": "30"},
		`{"ok":false,"error":"ratelimited"}`,
		retry.Throttled, 30 * time.Second, 0, 0,
	},
	"Discord": {
		429,
		map[string]string{
			"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{unix+3600s}",
			"X-RateLimit-Reset-After": "1.357", "X-RateLimit-Bucket": "abcd1234", "X-RateLimit-Scope": "user",
		},
		`{"message":"You are being rate limited.","retry_after":1.357,"global":false}`,
		retry.Throttled, 1357 * time.Millisecond, 0, 0,
	},
	"Twilio": {
		429,
		map[string]string{"Twilio-Concurrent-Requests": "101"},
		`{"code":20429,"message":"Too Many Requests","status":429}`, retry.Throttled, 0, 0, 0,
	},
	"Cloudflare": {429, map[string]string{
		"Ratelimit": `"default";r=0;t=12, "burst";r=9;t=50`, "Ratelimit-Policy": `"default";q=1200;w=300`,
	}, `{"success":false,"errors":[{"code":10000}]}`, retry.Throttled, 12 * time.Second, 0, 0},
	"Okta": {429, map[string]string{
		"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "{unix+9s}",
	}, `{"errorCode":"E0000047"}`, retry.Throttled, 9 * time.Second, 0, 0},
	"Jira": {
		429,
		map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{minute+60s}"},
		`{}`,
		retry.Throttled, time.Minute, 0, 0,
	},
	"Reddit": {
		429,
		map[string]string{
			"X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Used": "600",
			"X-Ratelimit-Reset": "41",
		},
		`{}`,
		retry.Throttled, 41 * time.Second, 0, 0,
	},
	"Docker Hub": {
		429,
		map[string]string{"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"},
		`{"errors":[{"code":"TOOMANYREQUESTS"}]}`, retry.Throttled, 0, 0, 0,
	},
	"Linear": {429, map[string]string{
		"X-RateLimit-Requests-Remaining": "0", "X-RateLimit-Requests-Reset": "{millis+7s}",
		"X-RateLimit-Complexity-Remaining": "100", "X-RateLimit-Complexity-Reset": "{millis+3000s}",
	}, `{}`, retry.Throttled, 7 * time.Second, 0, 0},
	"Mastodon": {
		429,
		map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{rfc3339+11s}"},
		`{}`,
		retry.Throttled, 11 * time.Second, 0, 0,
	},
	"Telegram": {
		429, nil, `{"ok":false,"error_code":429,"parameters":{"retry_after":35}}`,
		retry.Throttled, 35 * time.Second, 0, 0,
	},
	"Matrix": {
		429, nil, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}`, retry.Throttled, 2 * time.Second, 0,
		0,
	},
	"Akamai": {
		429,
		map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Next": "{rfc3339+5s}"},
		`{}`,
		retry.Throttled, 5 * time.Second, 0, 0,
	},
	"an upload that is too large for now": {
		413,
		map[string]string{"Retry-After": "3"},
		``, retry.Throttled,
		3 * time.Second, 0, 0,
	},
	"an upload that is too large": {413, nil, ``, retry.Rejected, 0, 1, retry.ReasonRejected},
}

// at replaces {unix+42s} and the like by the time that is so far from now.
func at(v string) string {
	form, ok := strings.CutPrefix(v, "{")
	if !ok {
		return v
	}
	form, after, _ := strings.Cut(strings.TrimSuffix(form, "}"), "+")
	d, err := time.ParseDuration(after)
	if err != nil {
		panic(err)
	}
	then := time.Now().Add(d)
	switch form {
	case "unix":
		return strconv.FormatInt(then.Unix(), 10)
	case "millis":
		return strconv.FormatInt(then.UnixMilli(), 10)
	case "rfc3339":
		return then.UTC().Format(time.RFC3339Nano)
	case "minute":
		return then.UTC().Format("2006-01-02T15:04Z")
	}
	panic(form)
}

// answerOnce answers the first request as r says, and others with 200.
func (r *recorded) answerOnce(sent *int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if *sent++; r.sent == 0 && *sent > 1 {
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for name, v := range r.header {
			w.Header().Set(name, at(v))
		}
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
	}
}

// check makes a call that is answered as r says, and compares what becomes of it.
func (r *recorded) check(t *testing.T, opts ...httpx.Option) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)))
		seen, sent := new(recorder), 0
		start := time.Now()
		c := pipeClient(t, r.answerOnce(&sent), policy(t, nil, retry.WithObserver(seen)), opts...)
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		took := time.Since(start)
		got := text(t, resp)
		require.Equal(t, r.class, seen.attempts[0].Outcome.Class)
		want := retry.ReasonSuccess
		if r.sent == 0 {
			require.Equal(t, 2, sent)
			require.Equal(t, 200, resp.StatusCode)
		} else {
			want = r.why
			require.Equal(t, r.sent, sent)
			require.Equal(t, r.body, got, "the whole body is the caller's")
		}
		require.Equal(t, want, seen.reason())
		require.GreaterOrEqual(t, took, r.wait)
		require.LessOrEqual(t, took, r.wait*5/4)
	})
}

func TestProviders_WaitAsDocumented(t *testing.T) {
	for name, r := range providers {
		t.Run(name, func(t *testing.T) { r.check(t) })
	}
}

// byBody classifies the answers of APIs that say in the body what went wrong.
func byBody(req *http.Request, resp *http.Response, err error) retry.Outcome {
	if resp == nil {
		return httpx.Classify(req, resp, err)
	}
	body := string(httpx.PeekBody(resp))
	switch {
	case resp.StatusCode == 403 && strings.Contains(body, "secondary rate limit"):
		return retry.Outcome{Class: retry.Throttled, After: time.Minute}
	case resp.StatusCode == 400 && strings.Contains(body, "#ProvisionedThroughputExceededException"):
		return retry.Outcome{Class: retry.Throttled}
	case resp.StatusCode == 200 && strings.Contains(body, `"THROTTLED"`):
		return retry.Outcome{Class: retry.Throttled, After: time.Second}
	case resp.StatusCode == 200 && json.Valid([]byte(body)) && strings.Contains(body, `"error":"ratelimited"`):
		return retry.Outcome{Class: retry.Throttled}
	}
	return httpx.Classify(req, resp, err)
}

func TestProviders_HintInBodyOnly(t *testing.T) {
	for name, r := range map[string]recorded{
		"GitHub, secondary limit": {
			403,
			map[string]string{
				"x-ratelimit-remaining": "14",
				"x-ratelimit-reset":     "{unix+5s}",
			},
			`{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`,
			retry.Throttled, time.Minute, 0, 0,
		},
		"GitHub, no permission": {
			403,
			map[string]string{"x-ratelimit-remaining": "14"},
			`{"message":"Resource not accessible by integration"}`, retry.Rejected, 0, 1, retry.ReasonRejected,
		},
		"Amazon DynamoDB": {
			400,
			map[string]string{"Content-Type": "application/x-amz-json-1.0"},
			`{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}`, retry.Throttled,
			0, 0, 0,
		},
		"Amazon DynamoDB, not found": {
			400,
			map[string]string{"Content-Type": "application/x-amz-json-1.0"},
			`{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`, retry.Rejected, 0, 1,
			retry.ReasonRejected,
		},
		"Shopify, GraphQL": {
			200, nil, `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`,
			retry.Throttled, time.Second, 0, 0,
		},
		"Slack": {200, nil, `{"ok":false,"error":"ratelimited"}`, retry.Throttled, 0, 0, 0},
		"Google, unavailable": {
			503, nil,
			`{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}]}}`,
			retry.Throttled, 2 * time.Second, 0, 0,
		},
		"a success": {200, nil, `{"ok":true}`, retry.Success, 0, 1, retry.ReasonSuccess},
	} {
		t.Run(name, func(t *testing.T) {
			r.check(t, httpx.WithClassifier(byBody), httpx.WithBodyPeek(200, 400, 403), httpx.WithBodyPeek(503))
		})
	}
}
