package backoff_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// everyStrategy returns one of each kind, by its name in JSON.
func everyStrategy() map[string]backoff.Strategy {
	const base, cap = 50 * time.Millisecond, 20 * time.Second
	curve := backoff.Exponential(base, cap)
	return map[string]backoff.Strategy{
		"none":                backoff.None(),
		"constant":            backoff.Constant(base),
		"linear":              backoff.Linear(base, cap),
		"exponential":         curve,
		"fibonacci":           backoff.Fibonacci(base, cap),
		"full_jitter":         backoff.FullJitter(base, cap),
		"equal_jitter":        backoff.EqualJitter(base, cap),
		"decorrelated_jitter": backoff.DecorrelatedJitter(base, cap),
		"smooth_decorrelated": backoff.SmoothDecorrelated(base, cap),
		"proportional":        backoff.Proportional(curve, 0.2),
		"capped":              backoff.Cap(curve, time.Second),
		"floored":             backoff.Floor(curve, time.Second),
		"full":                backoff.Full(curve),
		"equal":               backoff.Equal(curve),
	}
}

func TestMarshalStrategy_Spelling(t *testing.T) {
	curve := backoff.Exponential(50*time.Millisecond, 20*time.Second)
	for want, s := range map[string]backoff.Strategy{
		`{"none": {}}`:      backoff.None(),
		`{"constant":"0s"}`: backoff.Constant(0),
		`{"full_jitter": {"base": "50ms", "cap": "20s"}}`:          backoff.FullJitter(50*time.Millisecond, 20*time.Second),
		`{"smooth_decorrelated": {"median": "1s", "cap": "1m0s"}}`: backoff.SmoothDecorrelated(time.Second, time.Minute),
		`{"full": {"of": {"capped": {"of": {"exponential": {"base": "50ms", "cap": "20s"}}, "max": "1s"}}}}`: backoff.Full(
			backoff.Cap(curve, time.Second)),
		`{"proportional": {"of": {"exponential": {"base": "50ms", "cap": "20s"}}, "by": 0.2}}`: backoff.Proportional(curve, 0.2),
	} {
		got, err := backoff.MarshalStrategy(s)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
}

func TestStrategyJSON_RoundTrip(t *testing.T) {
	for name, s := range everyStrategy() {
		data, err := backoff.MarshalStrategy(s)
		require.NoError(t, err, name)
		var top map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &top))
		require.Contains(t, top, name)
		back, err := backoff.UnmarshalStrategy(data)
		require.NoError(t, err, name)
		require.Equal(t, s, back, name)
	}
}

func TestUnmarshalStrategy_Refuses(t *testing.T) {
	for in, want := range map[string]string{
		``:                      `must be a name, or an object with one name as its key: is empty`,
		`null`:                  `must be a name, or an object with one name as its key`,
		`{}`:                    `must have one name as its key, not 0`,
		`{"none":{},"full":{}}`: `must have one name as its key, not 2`,
		`{"none":{},"none":{}}`: `none: given twice`,
		`{"none":{}} x`:         `must be a name, or an object with one name as its key: line 1, column 13: invalid character 'x' after top-level value`,
		`{"none":{"a":1}}`:      `none.a: unknown field`,
		`{"constant":"-1s"}`:    `constant: must not be negative, not -1s`,
		`"constant"`:            `constant: must be a duration like "250ms"`,
		`{"constant":5}`:        `constant: must be a duration like "250ms", with a unit: "5s" for seconds`,
		`{"constant":null}`:     `constant: must be a duration like "250ms"`,
		`{"full_jitter":{"base":"0s","cap":"20s"}}`:            `full_jitter.base: must be above 0, not 0s`,
		`{"full_jitter":{"base":"2s","cap":"1s"}}`:             `full_jitter.cap: must not be below base (2s), not 1s`,
		`{"full_jitter":{"base":"2s","cap":"1s","base":"1s"}}`: `full_jitter.base: given twice`,
		`{"full_jitter":{"base":"50","cap":"1s"}}`:             `full_jitter.base: must be a duration like "250ms", with a unit: "50s" for seconds`,
		`{"full_jitter":{"base":"50","cap":"-1s","x":1}}`:      "full_jitter.base: must be a duration like \"250ms\", with a unit: \"50s\" for seconds\nfull_jitter.x: unknown field\nfull_jitter.cap: must be above 0, not -1s",
		`"full_jitter"`:      "full_jitter.base: must be above 0, not 0s\nfull_jitter.cap: must be above 0, not 0s",
		`{"full_jitter":[]}`: `full_jitter: must be a JSON object`,
		`{"smooth_decorrelated":{"median":"2s","cap":"1s"}}`: `smooth_decorrelated.cap: must not be below median (2s), not 1s`,
		`{"proportional":{"of":"none","by":1.5}}`:            `proportional.by: must be within 0 and 1, not 1.5`,
		`{"proportional":{"of":"none","by":null}}`:           `proportional.by: must be a number`,
		`{"proportional":{"of":"none","by":"1"}}`:            `proportional.by: must be a number`,
		`"full"`:                                `full.of: must be a strategy, not nil`,
		`{"full":{"of":null}}`:                  `full.of: must be a name, or an object with one name as its key`,
		`{"floored":{"of":"none","min":"-1s"}}`: `floored.min: must not be negative, not -1s`,
		`{"capped":{"of":{"linear":{"base":"1s"}},"max":"0s"}}`: "capped.of.linear.cap: must be above 0, not 0s\ncapped.max: must be above 0, not 0s",
	} {
		s, err := backoff.UnmarshalStrategy([]byte(in))
		require.EqualError(t, err, want, in)
		require.Nil(t, s, in)
	}
	_, err := backoff.UnmarshalStrategy([]byte(`"slow"`))
	require.ErrorContains(t, err, `unknown name slow (known: capped, constant, decorrelated_jitter,`)
}

type foreign struct{ backoff.Strategy }

func TestMarshalStrategy_Refuses(t *testing.T) {
	_, err := backoff.MarshalStrategy(foreign{})
	require.EqualError(t, err, "backoff_test.foreign has no name in JSON")
	_, err = backoff.MarshalStrategy(backoff.Full(foreign{backoff.None()}))
	require.EqualError(t, err, "full.of: backoff_test.foreign has no name in JSON")
	_, err = backoff.MarshalStrategy(nil)
	require.Error(t, err)
}

func FuzzUnmarshalStrategy(f *testing.F) {
	for _, s := range everyStrategy() {
		data, err := backoff.MarshalStrategy(s)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"full":{"of":{"full":{"of":"none"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := backoff.UnmarshalStrategy(data)
		if err != nil {
			require.NotEmpty(t, err.Error())
			require.Nil(t, s)
			return
		}
		require.NoError(t, backoff.Validate(s))
		for _, wait := range []int{1, 2, 3, 40, math.MaxInt} {
			require.GreaterOrEqual(t, s.Delay(wait, time.Hour, 0.999), time.Duration(0))
		}
		again, err := backoff.MarshalStrategy(s)
		require.NoError(t, err)
		back, err := backoff.UnmarshalStrategy(again)
		require.NoError(t, err)
		require.Equal(t, s, back)
	})
}
