package main

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if serving() {
		return
	}
	os.Exit(m.Run())
}

// Each cell does what its work says: bench.done compares the attempts that arrived with those
// that one operation must send, and asks for what else was counted.
func TestWorks_EveryCellDoesWork(t *testing.T) {
	for _, w := range works() {
		t.Run(w.name, func(t *testing.T) {
			require.Equal(t, evenkeel, w.cells[0].library)
			require.True(t, w.cells[0].budget || w.name == "delay", "evenkeel has its budget on")
			require.True(t, !w.paired || w.bare() != nil, "what is paired has something to be paired with")
			if w.cpu {
				w.span = 10 * callers // enough to count
			}
			for _, c := range w.cells {
				b := newBench(w, &c)
				s := b.once(b.span)
				require.Equal(t, b.span, s.ops)
				require.Positive(t, s.wall)
				err := b.done()
				var leak *leakError
				if errors.As(err, &leak) && c.library != evenkeel {
					t.Log(c.library, "leaks, as the table says:", leak)
					continue
				}
				require.NoError(t, err)
			}
		})
	}
}

// A cell whose calls are not retried is found out: without that, an empty budget would be
// measured as speed.
func TestWorks_CellWithoutRetriesIsError(t *testing.T) {
	w := doOneFail()
	c := failingCell("never retries", false, func(f *flaky) func(int) {
		return func(n int) {
			for range n {
				_ = f.plain()
			}
		}
	})
	b := newBench(w, &c)
	require.ErrorContains(t, b.done(), "attempts")
}

func TestWorks_EveryWorkHasBar(t *testing.T) {
	barred := map[string]bool{}
	for _, b := range bars {
		barred[b.work] = true
	}
	for _, w := range works() {
		require.True(t, barred[w.name], w.name)
	}
}

func TestWorks_FindTransportThatLosesConnections(t *testing.T) {
	s, base := newSite(answering(200)), pooled()
	for range 4*callers + 1 {
		resp, err := base.RoundTrip(requestTo(t, s.URL))
		require.NoError(t, err)
		_ = resp // neither read nor closed: the connection is lost
	}
	err := s.end(base)
	var leak *leakError
	require.ErrorAs(t, err, &leak)
	require.EqualValues(t, 4*callers+1, leak.opened)
}
