package experiments

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAgreement(t *testing.T) {
	for name, c := range map[string]struct {
		measured, published float64
		within              Within
		agrees              bool
	}{
		"equal":             {1, 1, Within{}, true},
		"within points":     {.985, 1, points(1.5), true},
		"beyond points":     {.984, 1, points(1.5), false},
		"within share":      {115, 100, share(.15), true},
		"beyond share":      {84.9, 100, share(.15), false},
		"never, both":       {Never, Never, share(.15), true},
		"never, published":  {1e9, Never, share(.15), false},
		"never, measured":   {Never, 100, share(.15), false},
		"none published, 0": {0, 0, share(.15), true},
	} {
		t.Run(name, func(t *testing.T) {
			row := Row{Metrics: map[string]*float64{"m": Value(c.measured)}}
			row.publish("m", c.published, c.within)
			agrees, ok := row.Agrees("m")
			require.True(t, ok)
			require.Equal(t, c.agrees, agrees)
			require.Equal(t, c.agrees, len(row.Off()) == 0)
		})
	}
	_, ok := Row{}.Agrees("m")
	require.False(t, ok)
}

func TestBars(t *testing.T) {
	for _, c := range []struct {
		v     float64
		bar   Bar
		holds bool
	}{
		{1.1, Bar{AtMost: 1.11}, true},
		{1.12, Bar{AtMost: 1.11}, false},
		{.99, Bar{AtLeast: .99}, true},
		{.98, Bar{AtLeast: .99}, false},
		{math.Inf(1), Bar{AtMost: 1000}, false},
	} {
		row := Row{Metrics: map[string]*float64{"m": Value(c.v)}, Bars: map[string]Bar{"m": c.bar}}
		holds, ok := row.Holds("m")
		require.True(t, ok)
		require.Equal(t, c.holds, holds, "%v %v", c.v, c.bar)
	}
}

func TestFormats(t *testing.T) {
	require.Equal(t, "100", Percent(1))
	require.Equal(t, "99.99", Percent(.9999))
	require.Equal(t, "98.7", Percent(.987))
	require.Equal(t, "243", Percent(2.43))
	require.Equal(t, "1.10x", Times(1.1))
	require.Equal(t, "137 s", Seconds(137.2))
	require.Equal(t, "1,234,567", Count(1234567))
	require.Equal(t, "-1,234", Count(-1234))
	require.Equal(t, "123", Count(123))
	require.Equal(t, "5.10 M", Millions(5.1e6))
	require.Equal(t, "64 MiB", Mebibytes(64<<20))
}
