package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A burst counts the calls that were lost.
func TestBurst_CountsSavedCalls(t *testing.T) {
	never := &library{name: "never", http: func(_ rules, base http.RoundTripper) http.RoundTripper { return base }}
	for _, l := range []*library{never, evenkeelLibrary} {
		r := bursting(func(c *cuttable, g *gate) (func(context.Context) error, func()) { return burstOverHTTP(l, c, g) })
		r.run(1)
		require.Positive(t, r.took())
		want := 1.0
		if l == never {
			want = 0
		}
		require.InDelta(t, want, r.answered(), 0, l.name)
	}
}

// An outage has a server of its own, which fails every attempt of every library.
func TestOutage_FailsEveryAttempt(t *testing.T) {
	overHTTP, overGRPC := outageServer()
	require.NotEqual(t, overHTTP, overGRPC)
	for _, l := range []*library{evenkeelLibrary, restyLibrary, reqLibrary, retryablehttpLibrary} {
		base := &counting{RoundTripper: pooled()}
		status, err := l.clientOf(brief, base, 0)(t.Context(), http.MethodGet, "http://"+overHTTP, nil)
		if err == nil {
			require.Equal(t, http.StatusServiceUnavailable, status, l.name)
		}
		require.EqualValues(t, 3, base.n.Load(), l.name)
	}
}

// A hedge that was not sent is found out by the count of attempts.
func TestHedge_WinIsCounted(t *testing.T) {
	w := httpHedgeWins()
	b := newBench(w, &w.cells[0])
	b.once(2)
	require.NoError(t, b.done())
	b.ops++
	require.ErrorContains(t, b.done(), "attempts")
}

func TestHeapOf_CountsRetained(t *testing.T) {
	got := heapOf(1000, func(n int) any {
		all := make([]*[256]byte, n)
		for i := range all {
			all[i] = new([256]byte)
		}
		return all
	})
	require.InDelta(t, 256+8, got, 16)
}

func TestByHand_BudgetWorks(t *testing.T) {
	var b handBudget
	fail := func(context.Context) error { return errDown }
	sent := 0
	for range 100 {
		_ = b.do(t.Context(), func(ctx context.Context) error { sent++; return fail(ctx) })
	}
	require.Equal(t, 100+10, sent)
}

// The loser of a hedge written by hand does not hold up its winner.
func TestByHand_HedgeCancelsLoser(t *testing.T) {
	s := new(silentFirst)
	resp, err := handHedge{s, time.Millisecond}.RoundTrip(get())
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 2, s.sent())
}
