package conf_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

func TestErrors_CarryFieldPath(t *testing.T) {
	err := conf.In("Retry", errors.Join(
		conf.Errorf("MaxAttempts", "must be at least %d, not %d", 1, 0),
		conf.In("Backoff", errors.Join(conf.Errorf("Base", "must be above 0"), errors.New("is odd"))),
	))
	require.EqualError(t, err, "Retry.MaxAttempts: must be at least 1, not 0\nRetry.Backoff.Base: must be above 0\nRetry.Backoff: is odd")
	require.EqualError(t, conf.Spelled(err),
		"retry.max_attempts: must be at least 1, not 0\nretry.backoff.base: must be above 0\nretry.backoff: is odd")
	var first *conf.FieldError
	require.ErrorAs(t, err, &first)
	require.Equal(t, []string{"Retry", "MaxAttempts"}, first.Path, "Spelled works on copies")

	require.NoError(t, conf.In("a", nil))
	require.NoError(t, conf.Spelled(nil))
	require.NoError(t, conf.In("a", errors.Join(nil, nil)))
}

func TestIn_DoesNotModifyError(t *testing.T) {
	inner := conf.Errorf("B", "bad")
	require.EqualError(t, conf.In("A", inner), "A.B: bad")
	require.EqualError(t, conf.In("C", inner), "C.B: bad")
	require.EqualError(t, inner, "B: bad")
}

func TestIn_KeepsWrapping(t *testing.T) {
	wrapped := fmt.Errorf("line 3: %w", conf.Errorf("B", "bad"))
	require.EqualError(t, conf.In("A", wrapped), "A: line 3: B: bad")
	two := fmt.Errorf("both %w and %w", errors.New("this"), errors.New("that"))
	require.EqualError(t, conf.In("A", two), "A: both this and that")
}

func TestFlatten(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	require.Empty(t, conf.Flatten(nil))
	require.Equal(t, []error{a}, conf.Flatten(a))
	require.Equal(t, []error{a, b, c}, conf.Flatten(errors.Join(errors.Join(a), errors.Join(errors.Join(b, c)))))
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{
		"Base": "base", "MaxAttempts": "max_attempts", "TTL": "ttl", "MinTTL": "min_ttl", "TTLSlots": "ttl_slots",
		"P99Floor": "p99_floor", "PerSecond": "per_second", "A": "a", "": "", "HTTP2Max": "http2_max", "Größe": "größe",
		"max_attempts": "max_attempts",
	} {
		require.Equal(t, want, conf.Snake(name))
		require.Equal(t, want, conf.Snake(conf.Snake(name)), "what is spelled already stays")
	}
}

func TestObject(t *testing.T) {
	fields, err := conf.Object([]byte(` {"a": 1, "b": {"c": [2]}} `))
	require.NoError(t, err)
	require.Len(t, fields, 2)
	require.Equal(t, `{"c": [2]}`, string(fields["b"]))
	for in, want := range map[string]string{
		`1`: "must be a JSON object", `[]`: "must be a JSON object",
		``:                           "must be a JSON object: is empty",
		" \n":                        "must be a JSON object: is empty",
		"\xef\xbb\xbf{}":             "must be a JSON object: begins with a byte order mark (BOM), save it as plain UTF-8",
		"\xff\xfe{\x00}\x00":         "must be a JSON object: is UTF-16, save it as plain UTF-8",
		`{`:                          "must be a JSON object: line 1, column 2: unexpected end of JSON input",
		`{"a"`:                       "must be a JSON object: line 1, column 5: unexpected end of JSON input",
		`{"a":}`:                     "must be a JSON object: line 1, column 6: invalid character '}' looking for beginning of value",
		`{"a":1`:                     "must be a JSON object: line 1, column 7: unexpected end of JSON input",
		"{\n\t\"ü\": 1,\n\t\"ü\" 2}": "must be a JSON object: line 3, column 6: invalid character '2' after object key",
		`{"a":1,}`:                   "must be a JSON object: line 1, column 8: invalid character '}' looking for beginning of object key string",
		`{a:1}`:                      "must be a JSON object: line 1, column 2: invalid character 'a' looking for beginning of object key string",
		`{"a":1}}`:                   "must be one JSON object and nothing after it: line 1, column 8: invalid character '}' after top-level value",
		"{\"a\":1}\n{}":              "must be one JSON object and nothing after it: line 2, column 1: invalid character '{' after top-level value",
		`{"a":1,"b":2,"a":1}`:        "a: given twice",
		`{"b":1,"a":1,"a":1,"b":2}`:  "a: given twice\nb: given twice",
		`{"a":1,"a":2,"a":3}`:        "a: given twice",
		`{"a\u0062":1,"ab":1}`:       "ab: given twice",
	} {
		_, err := conf.Object([]byte(in))
		require.EqualError(t, err, want, in)
	}
}

// What a stranger writes into a configuration cannot break an error's lines or fill a log.
func TestErrors_BoundForeignNames(t *testing.T) {
	_, err := conf.Object([]byte(`{"a\nb":1,"a\nb":1}`))
	require.EqualError(t, err, `"a\nb": given twice`)
	fields, err := conf.Object([]byte(`{"":1,"` + strings.Repeat("x", 10_000) + `":1,"ok":2}`))
	require.NoError(t, err)
	err = conf.Unknown(fields)
	require.ErrorContains(t, err, `"": unknown field`)
	require.ErrorContains(t, err, "\nok: unknown field")
	require.Less(t, len(err.Error()), 200)
}

func TestDuration(t *testing.T) {
	d, err := conf.Duration([]byte(` "1m0.25s" `))
	require.NoError(t, err)
	require.Equal(t, 60250*time.Millisecond, d)
	for in, want := range map[string]string{`5`: "5s", `"5"`: "5s", ` 0.25 `: "0.25s"} {
		_, err := conf.Duration([]byte(in))
		require.EqualError(t, err, `must be a duration like "250ms", with a unit: "`+want+`" for seconds`, in)
	}
	for _, in := range []string{`1e3`, `"12345678901234567890"`, `null`, `""`, `"1 s"`, `"300y"`, `"99999999999h"`, `{}`, ``} {
		_, err := conf.Duration([]byte(in))
		require.EqualError(t, err, `must be a duration like "250ms"`, in)
	}
}

func TestIsDuration(t *testing.T) {
	require.True(t, conf.IsDuration(reflect.TypeFor[time.Duration]()))
	require.True(t, conf.IsDuration(reflect.TypeFor[fixed]()))
	require.False(t, conf.IsDuration(reflect.TypeFor[int64]()))
	require.False(t, conf.IsDuration(reflect.TypeFor[int]()))
	require.False(t, conf.IsDuration(reflect.TypeFor[float64]()))
}

func TestUnknown_DidYouMean(t *testing.T) {
	known := []string{"max_attempts", "max_hint", "backoff", "throttled_backoff", "hedge"}
	for name, meant := range map[string]string{
		"MaxAttempts": "max_attempts", "max_attempt": "max_attempts", "max_hitn": "max_hint", "backof": "backoff",
		"hegde": "hedge", "throttledBackoff": "throttled_backoff", "maxhint": "max_hint", "Hedge": "hedge",
	} {
		err := conf.Unknown(map[string]json.RawMessage{name: nil}, known...)
		require.EqualError(t, err, name+": unknown field (did you mean "+meant+"?)")
	}
	for _, name := range []string{"retries", "x", "timeout", strings.Repeat("hedge", 100)} {
		err := conf.Unknown(map[string]json.RawMessage{name: nil}, known...)
		require.NotContains(t, err.Error(), "did you mean")
	}
}

func TestCheck_IsAnErrorOnlyOfWhatDoesNotHold(t *testing.T) {
	require.NoError(t, conf.Check(true, "Ratio", "must be at most 1, not %v", 1))
	require.Equal(t, conf.Errorf("Ratio", "must be at most 1, not %v", 2), conf.Check(false, "Ratio", "must be at most 1, not %v", 2))
	ratio := func(x float64) error { return conf.Check(x >= 0 && x <= 1, "Ratio", "must be at most 1, not %v", x) }
	require.EqualError(t, ratio(math.NaN()), "Ratio: must be at most 1, not NaN")
	require.NoError(t, errors.Join(conf.Check(true, "A", ""), conf.Check(true, "B", "")), "a list of what holds")
}

func TestUnknown_NamesABoundedNumberOfFields(t *testing.T) {
	fields := map[string]json.RawMessage{}
	for i := range conf.MostErrors {
		fields[fmt.Sprintf("x%03d", i)] = nil
	}
	require.Len(t, conf.Flatten(conf.Unknown(fields)), conf.MostErrors)
	fields["y"], fields["z"] = nil, nil
	errs := conf.Flatten(conf.Unknown(fields))
	require.Len(t, errs, conf.MostErrors+1)
	require.EqualError(t, errs[0], "x000: unknown field")
	require.EqualError(t, errs[conf.MostErrors], "and 2 more unknown fields")
}
