package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestProgress_OneLineOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		p := newProgress(&w, 3, 40)
		require.False(t, p.terminal, "a buffer is none")
		p.terminal = true
		p.over.Go(p.tick)
		p.Expect("outage", 52)
		p.Expect("an-experiment-with-a-long-name", 1000)
		p.Done("outage")
		time.Sleep(time.Second)
		p.finished("outage", func() { w.WriteString("a table\n") })
		time.Sleep(time.Second)
		p.close()
		require.Equal(t, 1, strings.Count(w.String(), "\n"), "the table's: %q", w.String())
		require.Contains(t, w.String(), "\r\x1b[Ka table\n", "the line makes room for it")
		require.True(t, strings.HasSuffix(w.String(), "\r\x1b[K"), "and is gone at the end")
		for line := range strings.SplitSeq(w.String(), "\r\x1b[K") {
			require.Less(t, utf8.RuneCountInString(strings.TrimPrefix(line, "a table\n")), 40, "it does not wrap")
		}
		require.Contains(t, w.String(), "bench: 0 of 3 done, an-experiment")
		require.Contains(t, w.String(), "bench: 1 of 3 done, an-experiment")
	})
}

func TestProgress_LinePerExperimentInPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		p := newProgress(&w, 2, 80)
		p.Expect("outage", 2)
		p.Done("outage")
		time.Sleep(90 * time.Second)
		p.finished("outage", func() {})
		p.finished("busy", func() {})
		p.close()
		require.Equal(t, "bench: outage done, 1 of 2, 90 s\nbench: busy done, 2 of 2, 90 s\n", w.String())
	})
}

func TestColumns(t *testing.T) {
	for env, want := range map[string]int{"": 80, "120": 120, "40": 40, "7": 80, "-3": 80, "wide": 80} {
		require.Equal(t, want, columns(env), env)
	}
}
