package retry_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// everyConfig has each field set, and each strategy, budget and timeout in one of them.
func everyConfig() []retry.Config {
	curve := backoff.Exponential(time.Millisecond, time.Minute)
	configs := []retry.Config{{}, {
		MaxAttempts:      5,
		Backoff:          backoff.FullJitter(time.Millisecond, time.Second),
		ThrottledBackoff: backoff.Constant(250 * time.Millisecond),
		Budget:           budget.Adaptive{Waste: 0.2, Unanswered: 7, Strict: true},
		AttemptTimeout:   timeout.Fixed(1500 * time.Millisecond),
		Hedge:            timeout.Percentile{Rate: 0.05, Ceiling: time.Second},
		MaxHint:          90 * time.Second,
		MaxElapsed:       5 * time.Minute,
		HintScope:        "destination",
		ResetAfter:       2 * time.Minute,
	}, {HintScope: "call"}, {MaxElapsed: 1<<63 - 1}, {MaxAttempts: 1}, {MaxAttempts: retry.Unlimited}, {MaxHint: 1}, {MaxHint: 1<<63 - 1}}
	for _, s := range []backoff.Strategy{
		backoff.None(), backoff.Constant(0), backoff.Linear(1, 2), curve, backoff.Fibonacci(1, 2),
		backoff.FullJitter(1, 2), backoff.EqualJitter(1, 2), backoff.DecorrelatedJitter(1, 2),
		backoff.SmoothDecorrelated(1, 2), backoff.Proportional(curve, 0.2), backoff.Cap(curve, 5),
		backoff.Floor(curve, 5), backoff.Full(curve), backoff.Equal(backoff.Cap(backoff.Floor(curve, 2), 3)),
	} {
		configs = append(configs, retry.Config{Backoff: s}, retry.Config{ThrottledBackoff: s})
	}
	for _, s := range []budget.Spec{
		budget.Adaptive{},
		budget.TokenBucket{Ratio: 0.5, Cap: 3, OnSuccess: true},
		budget.GRPC{},
		budget.AWS{},
		budget.Finagle{},
		budget.Concurrency{Ratio: 0.3, Min: -1},
		budget.Ratio{},
		budget.Unlimited{},
		budget.ClientThrottle{K: 3, Window: time.Minute, Retries: budget.AWS{}},
	} {
		configs = append(configs, retry.Config{Budget: s})
	}
	for _, s := range []timeout.Spec{timeout.Fixed(1), timeout.Percentile{}, timeout.Percentile{WarmUp: 9, Growth: 2}} {
		configs = append(configs, retry.Config{AttemptTimeout: s}, retry.Config{Hedge: s})
	}
	return configs
}

func TestJSON_RoundTrip(t *testing.T) {
	for _, c := range everyConfig() {
		text, err := json.Marshal(c)
		require.NoError(t, err)
		var back retry.Config
		require.NoError(t, json.Unmarshal(text, &back), "%s", text)
		require.Equal(t, c, back, "%s", text)
		_, err = retry.New(back)
		require.NoError(t, err, "%s", text)
	}
}

func TestJSON_SetsEveryField(t *testing.T) {
	full := everyConfig()[1]
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), "%s is missing in this test", v.Type().Field(i).Name)
	}
}

func TestJSON_Handwritten(t *testing.T) {
	var c retry.Config
	require.NoError(t, json.Unmarshal([]byte(`{
		"max_attempts": 4,
		"backoff": {"full_jitter": {"base": "100ms", "cap": "10s"}},
		"throttled_backoff": {"constant": "2s"},
		"budget": "adaptive",
		"attempt_timeout": "1.5s",
		"hedge": {"percentile": {"rate": 0.05}},
		"max_hint": "30s"
	}`), &c))
	require.Equal(t, retry.Config{
		MaxAttempts:      4,
		Backoff:          backoff.FullJitter(100*time.Millisecond, 10*time.Second),
		ThrottledBackoff: backoff.Constant(2 * time.Second),
		Budget:           budget.Adaptive{},
		AttemptTimeout:   timeout.Fixed(1500 * time.Millisecond),
		Hedge:            timeout.Percentile{Rate: 0.05},
		MaxHint:          30 * time.Second,
	}, c)
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"max_attempts": 4,
		"backoff": {"full_jitter": {"base": "100ms", "cap": "10s"}},
		"throttled_backoff": {"constant": "2s"},
		"budget": {"adaptive": {}},
		"attempt_timeout": {"fixed": "1.5s"},
		"hedge": {"percentile": {"rate": 0.05}},
		"max_hint": "30s"
	}`, string(text))
	require.NoError(t, json.Unmarshal([]byte(`{"max_attempts": "unlimited"}`), &c))
	require.Equal(t, retry.Config{MaxAttempts: retry.Unlimited}, c, "what is absent has its zero value again")
}

func TestJSON_ReportsEveryMistakeWithPath(t *testing.T) {
	before := retry.Config{MaxAttempts: 7}
	c := before
	err := json.Unmarshal([]byte(`{
		"max_attempts": 0,
		"max_attempt": 3,
		"backoff": {"full_jitter": {"base": "0s", "cap": 5, "cup": "1s"}},
		"throttled_backoff": {"gamma": {}},
		"budget": {"client_throttle": {"k": -1, "retries": {"adaptive": {"ratio": 7}}}},
		"attempt_timeout": "-1s",
		"hedge": {"percentile": {"rate": 3, "floor": "1ms", "floor": "2ms"}},
		"max_hint": "0s",
		"max_elapsed": "1s", "max_elapsed": "2s",
		"Backoff": {}
	}`), &c)
	require.Error(t, err)
	for _, want := range []string{
		"max_attempts: must be", "max_attempt: unknown", "backoff.full_jitter.base: ", "backoff.full_jitter.cap: ",
		"backoff.full_jitter.cup: unknown", "throttled_backoff: unknown name gamma", "budget.client_throttle.k: ",
		"budget.client_throttle.retries.adaptive.ratio: ", "attempt_timeout: must be", "hedge.percentile.floor: given twice",
		"hedge.percentile.rate: must be", "max_elapsed: given twice",
		"max_hint: must be", "Backoff: unknown",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, before, c, "it is unchanged")
}

func TestJSON_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                     "must be a JSON object",
		`3`:                                      "must be a JSON object",
		`{"max_attempts": null}`:                 "max_attempts: must be a whole number",
		`{"max_attempts": 1.5}`:                  "max_attempts: must be a whole number",
		`{"max_attempts": -1}`:                   "max_attempts: must be a whole number",
		`{"max_attempts": "3"}`:                  "max_attempts: must be a whole number",
		`{"max_attempts": 1e30}`:                 "max_attempts: must be a whole number",
		`{"max_attempts": "Unlimited"}`:          "max_attempts: must be a whole number",
		`{"max_attempts": 2, "max_attempts": 3}`: "max_attempts: given twice",
		`{"max_hint": 250}`:                      "max_hint: must be a duration",
		`{"max_hint": "250"}`:                    "max_hint: must be a duration",
		`{"max_hint": "-1s"}`:                    "max_hint: must be more than 0",
		`{"max_hint": null}`:                     "max_hint: must be a duration",
		`{"hint_scope": "all"}`:                  `hint_scope: must be "call" or "destination"`,
		`{"hint_scope": ""}`:                     `hint_scope: must be "call" or "destination"`,
		`{"hint_scope": null}`:                   `hint_scope: must be "call" or "destination"`,
		`{"reset_after": "999ms"}`:               "reset_after: must be at least 1s",
		`{"reset_after": null}`:                  "reset_after: must be a duration",
		`{"max_elapsed": "0s"}`:                  "max_elapsed: must be more than 0",
		`{"max_elapsed": "-1s"}`:                 "max_elapsed: must be more than 0",
		`{"max_elapsed": 30}`:                    "max_elapsed: must be a duration",
		`{"max_elapsde": "30s"}`:                 "max_elapsde: unknown field (did you mean max_elapsed?)",
		`{"max_hint": "300000000h"}`:             "max_hint: must be a duration",
		`{"backoff": null}`:                      "backoff: must be",
		`{"budget": 3}`:                          "budget: must be",
		`{"budget": {"unlimited": {"x": 1}}}`:    "budget.unlimited.x: unknown",
		`{"budget": {}}`:                         "budget: must have one name",
		`{"hedge": "5"}`:                         "hedge: must be a duration",
		`{"hedge": "0s"}`:                        "hedge: must be more than 0",
		`{"attempt_timeout": true}`:              "attempt_timeout: must be",
	} {
		var c retry.Config
		err := json.Unmarshal([]byte(text), &c)
		require.ErrorContains(t, err, want, text)
		require.Zero(t, c)
	}
}

// encoding/json has null change nothing, so that a struct around a Config may have it for "not
// given".
func TestJSON_NullChangesNothing(t *testing.T) {
	for _, text := range []string{`null`, " null\n"} {
		c := retry.Config{MaxAttempts: 7}
		require.NoError(t, c.UnmarshalJSON([]byte(text)))
		require.Equal(t, retry.Config{MaxAttempts: 7}, c)
	}
	around := struct {
		Retry retry.Config
		Other *retry.Config
	}{Retry: retry.Config{MaxAttempts: 7}, Other: &retry.Config{}}
	require.NoError(t, json.Unmarshal([]byte(`{"Retry": null, "Other": null}`), &around))
	require.Equal(t, 7, around.Retry.MaxAttempts)
	require.Nil(t, around.Other)
	for _, text := range []string{`nul`, `nulls`, `null null`, `"null"`, `[null]`} {
		require.Error(t, new(retry.Config).UnmarshalJSON([]byte(text)), text)
	}
}

func TestJSON_RefusesHugeInput(t *testing.T) {
	var c retry.Config
	fat := `{"max_attempts": 3` + strings.Repeat(" ", 64<<10) + `}`
	require.ErrorContains(t, json.Unmarshal([]byte(fat), &c), "over the limit")
	require.Zero(t, c)
	deep := `{"backoff": ` + strings.Repeat(`{"full": {"of": `, 3000) + `"none"` + strings.Repeat(`}}`, 3000) + `}`
	require.ErrorContains(t, c.UnmarshalJSON([]byte(deep)), "backoff")
}

func TestJSON_ErrorsAreBounded(t *testing.T) {
	var c retry.Config
	err := c.UnmarshalJSON([]byte(`{"` + strings.Repeat("x", 60_000) + `": 1}`))
	require.Error(t, err)
	require.Less(t, len(err.Error()), 500)
}

func TestJSON_UnnamedTypes(t *testing.T) {
	for field, c := range map[string]retry.Config{
		"backoff":           {Backoff: newAsked()},
		"throttled_backoff": {ThrottledBackoff: newAsked()},
		"budget":            {Budget: budget.Shared(testkit.NewLedger())},
		"attempt_timeout":   {AttemptTimeout: usual(1)},
		"hedge":             {Hedge: usual(1)},
	} {
		_, err := json.Marshal(c)
		require.ErrorContains(t, err, field+": ")
	}
}

// What parses can be used, and says the same again once it is written.
func FuzzConfigJSON(f *testing.F) {
	for _, c := range everyConfig() {
		text, err := json.Marshal(c)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"max_attempts":"unlimited","hedge":"1s","budget":"aws"}`))
	f.Add([]byte(`{"backoff":{"full":{"of":{"full":{"of":"none"}}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c retry.Config
		if c.UnmarshalJSON(text) != nil {
			require.Zero(t, c)
			return
		}
		_, err := retry.New(c)
		require.NoError(t, err, "it was read without a mistake")
		once, err := json.Marshal(c)
		require.NoError(t, err)
		var again retry.Config
		require.NoError(t, json.Unmarshal(once, &again), "%s", once)
		require.Equal(t, c, again)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

func TestParseConfig_ErrorNamesMistakeAndPlace(t *testing.T) {
	cfg, err := retry.ParseConfig([]byte(`{"max_attempts": 5}`))
	require.NoError(t, err)
	require.Equal(t, retry.Config{MaxAttempts: 5}, cfg)
	for text, want := range map[string]string{
		"{\n  \"max_attempts\": 5,\n}": "line 3, column 1: ",
		"":                             "is empty",
		"null":                         "must be a JSON object, not null",
		"\xef\xbb\xbf{}":               "byte order mark",
		`{"MaxAttempts": 5}`:           "MaxAttempts: unknown field (did you mean max_attempts?)",
		`{"max_hint": 5}`:              `max_hint: must be a duration like "250ms", with a unit: "5s" for seconds`,
		`{"attempt_timeout": 5}`:       `attempt_timeout: must be a duration like "250ms", with a unit: "5s" for seconds`,
		`{"budget": {"adaptive": {"Strict": true}}}`: "budget.adaptive.Strict: unknown field (did you mean strict?)",
	} {
		cfg, err := retry.ParseConfig([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.Zero(t, cfg)
	}
}
