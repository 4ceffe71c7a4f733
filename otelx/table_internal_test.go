package otelx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATableThatFilledUpMeanwhileTakesNoMore(t *testing.T) {
	tab := table[string, int]{limit: 1}
	one := func(string) int { return 1 }
	v, ok := tab.add("a", one)
	require.True(t, ok)
	require.Equal(t, 1, v)

	// Another goroutine was as far as add when "a" came.
	_, ok = tab.add("b", one)
	require.False(t, ok)
	v, ok = tab.add("a", func(string) int { return 2 })
	require.True(t, ok)
	require.Equal(t, 1, v, "made once")
	require.Len(t, tab.all(), 1)
}
