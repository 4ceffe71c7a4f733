package conf_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

type shape interface{ Area() float64 }

type fixed time.Duration

func (fixed) Area() float64 { return 0 }

func (f fixed) Validate() error {
	if f < 0 {
		return errors.New("must not be negative")
	}
	return nil
}

type options struct {
	Ratio float64
	Name  string
}

type box struct {
	MaxWait time.Duration
	Count   int
	Small   uint8
	Deep    bool
	Options options
	Inner   shape
	hidden  int //lint:ignore U1000 JSON must leave it alone
}

func (box) Area() float64 { return 1 }

func (b box) Validate() error {
	var errs []error
	if b.MaxWait < 0 {
		errs = append(errs, conf.Errorf("MaxWait", "must not be negative"))
	}
	if b.Count < 1 {
		errs = append(errs, conf.Errorf("Count", "must be at least 1"))
	}
	if b.Options.Ratio > 1 {
		errs = append(errs, conf.In("Options", conf.Errorf("Ratio", "must be at most 1")))
	}
	return errors.Join(errs...)
}

type loose struct{ List []int }

func (loose) Area() float64 { return 2 }

type strict struct{ Limit, Max int }

func (strict) Area() float64 { return 3 }

func (s strict) Validate() error {
	var errs []error
	if s.Limit < 1 {
		errs = append(errs, conf.Errorf("Limit", "must be at least 1"))
	}
	if s.Max < 1 {
		errs = append(errs, conf.Errorf("Max", "must be at least 1"))
	}
	return errors.Join(errs...)
}

var shapes = conf.Set[shape]{"fixed": fixed(0), "box": box{Count: 3, Deep: true}, "loose": loose{}, "strict": strict{}}

func TestSet_Spelling(t *testing.T) {
	for want, v := range map[string]shape{
		`{"fixed":"250ms"}`:         fixed(250 * time.Millisecond),
		`{"box":{}}`:                box{Count: 3, Deep: true},
		`{"box":{"count":4}}`:       box{Count: 4, Deep: true},
		`{"box":{"deep":false}}`:    box{Count: 3},
		`{"box":{"max_wait":"1s"}}`: box{MaxWait: time.Second, Count: 3, Deep: true},
		`{"box":{"small":7,"options":{"ratio":0.5,"name":"a"},"inner":{"fixed":"0s"}}}`: box{
			Count: 3, Deep: true, Small: 7, Options: options{0.5, "a"}, Inner: fixed(0),
		},
		`{"loose":{"list":[1,2]}}`: loose{[]int{1, 2}},
	} {
		got, err := shapes.Marshal(v)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
		back, err := shapes.Unmarshal(got)
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
	bare, err := shapes.Unmarshal([]byte(` "box" `))
	require.NoError(t, err)
	require.Equal(t, box{Count: 3, Deep: true}, bare)
}

func TestSet_Refuses(t *testing.T) {
	for in, want := range map[string]string{
		`null`:                               `must be a name, or an object with one name as its key`,
		`5`:                                  `must be a name, or an object with one name as its key`,
		`{"box":{},"box":{}}`:                `box: given twice`,
		`{"box":{},"fixed":"1s"}`:            `must have one name as its key, not 2`,
		`"tree"`:                             `unknown name tree (known: box, fixed, loose, strict)`,
		`"tr\nee"`:                           `unknown name "tr\nee" (known: box, fixed, loose, strict)`,
		`{"fixed":"-1s"}`:                    `fixed: must not be negative`,
		`{"fixed":{}}`:                       `fixed: must be a duration like "250ms"`,
		`{"box":null}`:                       `box: must be a JSON object`,
		`{"box":{"hidden":1}}`:               `box.hidden: unknown field`,
		`{"box":{"Count":1}}`:                `box.Count: unknown field (did you mean count?)`,
		`{"box":{"count":null}}`:             `box.count: must be a whole number`,
		`{"box":{"count":1.5}}`:              `box.count: must be a whole number`,
		`{"box":{"count":1e400}}`:            `box.count: must be a whole number`,
		`{"box":{"small":-1}}`:               `box.small: must be a whole number from 0 up`,
		`{"box":{"small":256}}`:              `box.small: must be a whole number from 0 up`,
		`{"box":{"deep":"yes"}}`:             `box.deep: must be true or false`,
		`{"box":{"options":{"ratio":"a"}}}`:  `box.options.ratio: must be a number`,
		`{"box":{"options":{"name":1}}}`:     `box.options.name: must be a string`,
		`{"box":{"options":{"Name":"a"}}}`:   `box.options.Name: unknown field (did you mean name?)`,
		`{"box":{"options":{"ratio":2}}}`:    `box.options.ratio: must be at most 1`,
		`{"box":{"max_wait":"-1s"}}`:         `box.max_wait: must not be negative`,
		`{"box":{"inner":null}}`:             `box.inner: must be a name, or an object with one name as its key`,
		`{"box":{"inner":{"fixed":"-1s"}}}`:  `box.inner.fixed: must not be negative`,
		`{"box":{"inner":{"box":{"x":1}}}}`:  `box.inner.box.x: unknown field`,
		`"strict"`:                           "strict.limit: must be at least 1\nstrict.max: must be at least 1",
		`{"strict":{"limit":"a"}}`:           "strict.limit: must be a whole number\nstrict.max: must be at least 1",
		`{"loose":{"list":"a"}}`:             `loose.list: must be a JSON value for a Go slice`,
		`{"box":{"count":0,"deep":1,"x":1}}`: "box.deep: must be true or false\nbox.x: unknown field\nbox.count: must be at least 1",
	} {
		got, err := shapes.Unmarshal([]byte(in))
		require.EqualError(t, err, want, in)
		require.Nil(t, got, in)
	}
}

func TestSet_BoundsNesting(t *testing.T) {
	nested := func(deep int) (string, shape) {
		text, v := `"loose"`, shape(loose{})
		for range deep {
			text, v = `{"box":{"inner":`+text+`}}`, box{Count: 3, Deep: true, Inner: v}
		}
		return text, v
	}
	text, v := nested(16)
	got, err := shapes.Unmarshal([]byte(text))
	require.NoError(t, err)
	require.Equal(t, v, got)
	_, err = shapes.Marshal(v)
	require.NoError(t, err)

	text, v = nested(17)
	_, err = shapes.Unmarshal([]byte(text))
	require.ErrorContains(t, err, "nested more than 16 deep")
	_, err = shapes.Marshal(v)
	require.ErrorContains(t, err, "nested more than 16 deep", "what cannot be read back is not written")
}

type stranger struct{}

func (stranger) Area() float64 { return 0 }

func TestSet_MarshalRefuses(t *testing.T) {
	_, err := shapes.Marshal(stranger{})
	require.EqualError(t, err, "conf_test.stranger has no name in JSON")
	_, err = shapes.Marshal(box{Inner: &box{}})
	require.EqualError(t, err, "box.inner: *conf_test.box has no name in JSON")
	_, err = shapes.Marshal(nil)
	require.Error(t, err)
	_, err = shapes.Marshal(box{Options: options{Ratio: math.NaN()}})
	require.ErrorContains(t, err, "box.options.ratio: ")
	_, err = conf.Set[shape]{"box": box{Inner: fixed(1)}}.Marshal(box{})
	require.EqualError(t, err, "box.inner: nil has no name in JSON")
}

func TestSet_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := box{
			MaxWait: time.Duration(rapid.Int64Min(0).Draw(t, "wait")),
			Count:   rapid.IntMin(1).Draw(t, "count"),
			Small:   rapid.Uint8().Draw(t, "small"),
			Deep:    rapid.Bool().Draw(t, "deep"),
			Options: options{rapid.Float64Max(1).Draw(t, "ratio"), rapid.String().Draw(t, "name")},
		}
		if rapid.Bool().Draw(t, "nested") {
			v.Inner = fixed(rapid.Int64Min(0).Draw(t, "fixed"))
		}
		v.Options.Name = strings.ToValidUTF8(v.Options.Name, "")
		data, err := shapes.Marshal(v)
		require.NoError(t, err)
		back, err := shapes.Unmarshal(data)
		require.NoError(t, err)
		require.Equal(t, shape(v), back)
	})
}

func FuzzSetUnmarshal(f *testing.F) {
	for _, in := range []string{
		`"box"`, `{"fixed":"1s"}`, `{"box":{"inner":{"box":{"max_wait":"1h","options":{"ratio":1e-9}}}}}`,
		`{"loose":{"list":[1]}}`, `{"box":{"count":1,"count":2}}`, `{"a\u0000":null}`, `[[[[`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := shapes.Unmarshal(data)
		if err != nil {
			for _, e := range conf.Flatten(err) {
				require.NotContains(t, e.Error(), "\n", "one mistake, one line")
				require.Less(t, len(e.Error()), 300+17*70, "bounded, whatever came in")
			}
			require.Nil(t, v)
			return
		}
		again, err := shapes.Marshal(v)
		require.NoError(t, err)
		back, err := shapes.Unmarshal(again)
		require.NoError(t, err)
		require.Equal(t, v, back)
	})
}
