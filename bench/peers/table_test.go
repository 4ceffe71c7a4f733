package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// someTable has a peer that is faster but has a budget, one that is slower and has none, and a
// part of one.
func someTable() *table {
	t := &table{rows: []*row{
		{Work: "do/ok", Library: evenkeel, budget: true, samples: []float64{9, 20, 10}, floors: []float64{6, 10, 8}},
		{Work: "do/ok", Library: "free", samples: []float64{10, 40, 10}},
		{Work: "do/ok", Library: "thrifty", budget: true, samples: []float64{5, 10, 5}},
		{Work: "do/ok", Library: "part", inside: true, samples: []float64{1, 1, 1}},
		{Work: "do/ok", Library: "bare", bare: true, samples: []float64{2, 2, 2}, AllocsOp: 1},
	}}
	t.finish()
	return t
}

func TestTable_BestPeer(t *testing.T) {
	table := someTable()
	require.Equal(t, "thrifty", table.best("do/ok", false).Library)
	require.Equal(t, "free", table.best("do/ok", true).Library)
	require.Nil(t, table.best("nothing", false))
}

// The median of the ratios is not the ratio of the medians: a slow round slows both sides.
func TestTable_RatiosWithinRound(t *testing.T) {
	table := someTable()
	own := table.row("do/ok", evenkeel)
	require.InDelta(t, 10, own.NsOp, 1e-9)
	require.InDelta(t, 2, own.RatioToBestPeer, 1e-9) // of 1.8, 2 and 2
	require.InDelta(t, 1, table.row("do/ok", "thrifty").RatioToBestPeer, 1e-9)
}

func TestJudge(t *testing.T) {
	table := someTable()
	for name, c := range map[string]struct {
		bar        bar
		got        float64
		met, holds bool
	}{
		"best peer":     {bar{"do/ok", overBest, 1.9, -1, -1}, 2, false, true},
		"without":       {bar{"do/ok", overFree, 0.9, -1, -1}, 0.9, true, true},
		"far off":       {bar{"do/ok", overBest, 1.8, -1, -1}, 2, false, false},
		"floor":         {bar{"do/ok", overFloor, 1.5, -1, -1}, 1.5, true, true},
		"above floor":   {bar{"do/ok", aboveFloor, 2.5, -1, -1}, 3, false, false},
		"absolute":      {bar{"do/ok", absolute, 10, -1, -1}, 10, true, true},
		"share":         {bar{"do/ok", share, 0.7, -1, -1}, 2.0 / 3, false, true},
		"share, missed": {bar{"do/ok", share, 0.8, -1, -1}, 2.0 / 3, false, false},
	} {
		v := c.bar.judge(table)
		require.InDelta(t, c.got, v.got, 1e-9, name)
		require.Equal(t, c.met, v.met, name)
		require.Equal(t, c.holds, v.holds, name)
		require.Empty(t, v.faults, name)
	}
}

func TestJudge_NoSlackForAllocationsAndLeaks(t *testing.T) {
	table := someTable()
	own := table.row("do/ok", evenkeel)
	b := bar{"do/ok", overFree, 1, 0, -1}
	require.Contains(t, b.judge(table).String(), "met ")

	own.AllocsOp = 1
	require.Contains(t, b.judge(table).String(), "misses")
	require.Contains(t, b.judge(table).String(), "1 allocations, not 0")
	b.kind, b.allocs, b.above = overFloor, -1, 0
	require.Empty(t, b.judge(table).faults, "bare allocates as much")
	own.AllocsOp = 2
	require.NotEmpty(t, b.judge(table).faults)

	b.kind = overBest
	require.Equal(t, []string{"1 allocations more than bare, not 0"}, b.judge(table).faults, "whatever the time is compared with")

	own.AllocsOp, own.fault = 0, "left 3 open"
	require.Contains(t, b.judge(table).faults, "left 3 open")
	own.answered = []float64{0.97}
	require.Contains(t, b.judge(table).faults, "only 97.0 % answered well")
	require.Equal(t, "97.0 % answered well; left 3 open", own.note())
}

func TestJudge_UnmeasuredHoldsNothing(t *testing.T) {
	require.Contains(t, bar{"do/ok", overBest, 1, -1, -1}.judge(new(table)).String(), "misses")
}

func TestMedian(t *testing.T) {
	require.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 3, median([]float64{9, 1, 2, 4}), 0)
	require.True(t, math.IsNaN(median(nil)))
}

func TestCommand_MeasuresAndWritesJSON(t *testing.T) {
	file, samples := filepath.Join(t.TempDir(), "rows.json"), filepath.Join(t.TempDir(), "samples.json")
	var out bytes.Buffer
	require.NoError(t, command([]string{
		"-run", "^delay$", "-layouts", "2", "-rounds", "3", "-json", file, "-samples", samples,
	}, &out, io.Discard))
	require.Contains(t, out.String(), "bar <= 1.00x")

	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(data, &rows))
	require.Len(t, rows, len(delayWork().cells))
	for _, r := range rows {
		require.Len(t, r, 10)
		require.Positive(t, r["cpu_op"])
		require.Equal(t, "delay", r["work"])
		require.NotEmpty(t, r["library"])
		require.Positive(t, r["ns_op"])
		require.Positive(t, r["ratio_to_best_peer"])
		require.Contains(t, r, "b_op")
		require.Contains(t, r, "allocs_op")
	}

	data, err = os.ReadFile(samples)
	require.NoError(t, err)
	var all []sampled
	require.NoError(t, json.Unmarshal(data, &all))
	require.Len(t, all, len(rows))
	for _, s := range all {
		require.Len(t, s.Samples, 6, "three rounds of each of two binaries")
		require.InDelta(t, s.Row.NsOp, median(s.Samples), 1e-9)
	}
}

func TestCommand_RefusesInvalidFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-run", "("},
		{"-rounds", "0"},
		{"-rounds", "-1"},
		{"-layouts", "-1"},
		{"-nosuch"},
		{"something"},
		{"-run", "^no such work$"},
		{"-cases", "-run", "^no such case$"},
	} {
		require.Error(t, command(args, io.Discard, io.Discard), "%v", args)
	}
}

func TestList_NamesAll(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, command([]string{"-list"}, &out, io.Discard))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, len(works())+len(cases()))
}

func TestTable_ByHandFloorBeforeBare(t *testing.T) {
	table := someTable()
	require.Equal(t, "bare", table.bare("do/ok").Library)
	table.rows = append(table.rows, &row{Work: "do/ok", Library: byHandName, bare: true, samples: []float64{5, 5, 5}})
	table.finish()
	require.Equal(t, byHandName, table.bare("do/ok").Library)

	own := table.row("do/ok", evenkeel)
	own.floors = []float64{0, 0, 0}
	v := bar{"do/ok", overFloor, 2, -1, -1}.judge(table)
	require.InDelta(t, 2, v.got, 1e-9, "of 1.8, 4 and 2, by the rounds of the cell by hand")
	require.True(t, v.met)
}

func TestTable_SilentPeerIsNotBest(t *testing.T) {
	table := someTable()
	table.row("do/ok", "thrifty").answered = []float64{0.5}
	table.finish()
	require.Equal(t, "free", table.best("do/ok", false).Library)
}

func TestJudge_NoSlackForSavedAndHeld(t *testing.T) {
	table := someTable()
	own, free, thrifty := table.row("do/ok", evenkeel), table.row("do/ok", "free"), table.row("do/ok", "thrifty")
	own.HeldOp, free.HeldOp, thrifty.HeldOp = 101, 10, 100
	require.Equal(t, thrifty, table.leastHeld("do/ok"), "free has no budget")
	v := bar{"do/ok", heldBest, 1, -1, -1}.judge(table)
	require.InDelta(t, 1.01, v.got, 1e-9)
	require.False(t, v.met || v.holds)

	own.Answered = 0.99
	v = bar{"do/ok", saved, 1, -1, -1}.judge(table)
	require.False(t, v.met || v.holds)
	require.Contains(t, v.String(), "0.99 of the calls saved")
	own.Answered = 1
	require.True(t, bar{"do/ok", saved, 1, -1, -1}.judge(table).met)
}
