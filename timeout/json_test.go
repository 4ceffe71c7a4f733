package timeout_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestJSON_ByName(t *testing.T) {
	every := timeout.Percentile{
		Rate: 0.01, Floor: 5 * time.Millisecond, Ceiling: 2 * time.Second, Padding: 1,
		Window: 30 * time.Second, WarmUp: 500, Growth: 8,
	}
	for text, want := range map[string]timeout.Spec{
		`{"fixed":"250ms"}`:                  timeout.Fixed(250 * time.Millisecond),
		`"250ms"`:                            timeout.Fixed(250 * time.Millisecond),
		` "+1.5s" `:                          timeout.Fixed(1500 * time.Millisecond),
		`".5s"`:                              timeout.Fixed(500 * time.Millisecond),
		`"percentile"`:                       timeout.Percentile{},
		`{"percentile":{}}`:                  timeout.Percentile{},
		`{"percentile":{"rate":0.05}}`:       timeout.Percentile{Rate: 0.05},
		`{"percentile":{"ceiling":"500us"}}`: timeout.Percentile{Ceiling: 500 * time.Microsecond},
		`{"percentile":{"floor":"45s"}}`:     timeout.Percentile{Floor: 45 * time.Second},
		`{"percentile":{"rate":0.01,"floor":"5ms","ceiling":"2s","padding":1,"window":"30s","warm_up":500,"growth":8}}`: every,
	} {
		got, err := timeout.UnmarshalSpec([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		require.NotPanics(t, func() { got.New() }, text)
	}

	text, err := timeout.MarshalSpec(timeout.Fixed(250 * time.Millisecond))
	require.NoError(t, err)
	require.JSONEq(t, `{"fixed":"250ms"}`, string(text))
	text, err = timeout.MarshalSpec(every)
	require.NoError(t, err)
	require.JSONEq(t, `{"percentile":{"rate":0.01,"floor":"5ms","ceiling":"2s","padding":1,"window":"30s",
		"warm_up":500,"growth":8}}`, string(text))
}

func TestJSON_ErrorsHavePaths(t *testing.T) {
	for text, want := range map[string][]string{
		``:                                       {"must be a name"},
		`null`:                                   {"must be a name"},
		`250`:                                    {`must be a duration like "250ms", with a unit: "250s" for seconds`},
		`""`:                                     {"unknown name"},
		`"forever"`:                              {"(known: fixed, percentile)"},
		`"fixed"`:                                {"fixed: must be a duration"},
		`"0s"`:                                   {"must be more than 0, not 0s"},
		`"-1s"`:                                  {"must be more than 0, not -1s"},
		`"250"`:                                  {`must be a duration like "250ms"`},
		`"250 ms"`:                               {`must be a duration like "250ms"`},
		`"99999999999h"`:                         {`must be a duration like "250ms"`},
		`{"fixed":"0s"}`:                         {"fixed: must be more than 0, not 0s"},
		`{"fixed":250}`:                          {"fixed: must be a duration"},
		`{"fixed":"1s","x":1}`:                   {"must have one name as its key, not 2"},
		`{"percentile":{"p":1}}`:                 {"percentile.p: unknown field"},
		`{"percentile":{"rate":0.1,"rate":0.2}}`: {"percentile.rate: given twice"},
		`{"percentile":{"rate":7,"floor":"-1s","window":"1ms","warm_up":-1,"growth":0.5}}`: {
			"percentile.rate: must be 1e-05 to 0.5, not 7",
			"percentile.floor: must be 1ns to 30s, not -1s",
			"percentile.window: must be 1s to 24h0m0s, not 1ms",
			"percentile.warm_up: must be 1 to 1000000, not -1",
			"percentile.growth: must be 1.1 to 1000, not 0.5",
		},
		`{"percentile":{"floor":"2s","ceiling":"1s"}}`: {"percentile.floor: must be 1ns to 1s, not 2s"},
	} {
		got, err := timeout.UnmarshalSpec([]byte(text))
		require.Error(t, err, text)
		require.Nil(t, got, text)
		for _, w := range want {
			require.ErrorContains(t, err, w, text)
		}
	}
}

func TestJSON_SpecsWithoutName(t *testing.T) {
	_, err := timeout.MarshalSpec(nil)
	require.EqualError(t, err, "no timeout to write")
	_, err = timeout.MarshalSpec(unnamed{})
	require.ErrorContains(t, err, "has no name in JSON")
	_, err = timeout.MarshalSpec(timeout.Percentile{Rate: math.NaN()})
	require.ErrorContains(t, err, "percentile.rate")
}

type unnamed struct{ timeout.Percentile }

func TestJSON_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := anySpec(t)
		text, err := timeout.MarshalSpec(spec)
		require.NoError(t, err)
		got, err := timeout.UnmarshalSpec(text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, spec, got)
	})
}

func anySpec(t *rapid.T) timeout.Spec {
	if rapid.Bool().Draw(t, "fixed") {
		return timeout.Fixed(rapid.Int64Min(1).Draw(t, "limit"))
	}
	return anyPercentile(t)
}

// anyPercentile draws a valid one; each field may be left to its default.
func anyPercentile(t *rapid.T) timeout.Percentile {
	var p timeout.Percentile
	given := func(name string) bool { return rapid.Bool().Draw(t, "with "+name) }
	if given("rate") {
		p.Rate = rapid.Float64Range(0.00001, 0.5).Draw(t, "rate")
	}
	if given("floor") {
		p.Floor = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "floor"))
	}
	if given("ceiling") {
		p.Ceiling = time.Duration(rapid.Int64Range(max(1, int64(p.Floor)), int64(time.Hour)).Draw(t, "ceiling"))
	}
	if given("padding") {
		p.Padding = rapid.Float64Range(0, 100).Draw(t, "padding")
	}
	if given("window") {
		p.Window = time.Duration(rapid.Int64Range(int64(time.Second), int64(24*time.Hour)).Draw(t, "window"))
	}
	if given("warm-up") {
		p.WarmUp = rapid.IntRange(1, 1_000_000).Draw(t, "warm-up")
	}
	if given("growth") {
		p.Growth = rapid.Float64Range(1.1, 1000).Draw(t, "growth")
	}
	return p
}

// What is read is valid, works, and is written and read again as the same.
func FuzzUnmarshalSpec(f *testing.F) {
	for _, seed := range []string{
		`"250ms"`, `{"fixed":"1s"}`, `"percentile"`, `{"percentile":{"rate":0.01,"floor":"5ms","ceiling":"2s"}}`,
		`{"percentile":{"warm_up":1e9}}`, `null`, `"-1s"`, `{"percentile":{"rate":1e-320}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := timeout.UnmarshalSpec(data)
		if err != nil {
			require.Nil(t, spec)
			return
		}
		require.NoError(t, spec.Validate())
		require.Positive(t, spec.New().Timeout())
		text, err := timeout.MarshalSpec(spec)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		again, err := timeout.UnmarshalSpec(text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, spec, again)
	})
}
