package experiments

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestWrap(t *testing.T) {
	require.Equal(t, []string{"one two", "three", "extraordinary", "ünd"}, wrap("one two three extraordinary ünd", 8))
	require.Equal(t, []string{""}, wrap("", 8))
}

// twoRows returns a figure that agrees, and one that neither agrees nor holds its bar.
func twoRows() Performed {
	at := map[string]any{"p": .1}
	one := Row{Policy: "a", Params: at, Metrics: map[string]*float64{"load": Value(1.11), "success": Value(.9)}}
	one.publish("load", 1.1, points(1.5))
	two := Row{Policy: "b", Params: at, Metrics: map[string]*float64{"load": Value(2), "success": nil}}
	two.publish("load", 1.1, points(1.5))
	two.Bars = map[string]Bar{"load": {AtMost: 1.5}}
	return Performed{Rows: []Row{one, two}, Experiment: Experiment{
		Name: "x", About: "what?", Source: "a paper", Setup: "a model", Params: []string{"p"},
		Words:   []Word{{"p", "the share of attempts that fail"}},
		Metrics: []Metric{{"load", "", Times}, {"success", "success, %", Percent}},
	}}
}

func printed(t *testing.T, p Performed, width int) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Print(&b, p, width))
	return b.String()
}

func TestPrint_ExplainsMarks(t *testing.T) {
	p := twoRows()
	require.Equal(t, `x: what?
  a model
  - p: the share of attempts that fail
  Source: a paper
  policy    p    load  published     success, %
  a       0.1   1.11x      1.10x  ✓        90.0
  b       0.1  2.00x!      1.10x  ✗       never
  ✓ as published, within the source's own spread: 1 of 2 figures
  ✗ further off: 1
  0 of 1 bars held (a bar is what must hold)
  ! misses its bar: 1
    b p=0.1: load is 2.00x, published 1.10x
    b p=0.1: load is 2.00x, must be at most 1.50x

`, printed(t, p, 80))

	p.Pivot = "p"
	require.Equal(t, `x: what?
  a model
  - p: the share of attempts that fail
  Source: a paper
  load / success, %         p=0.1  most off
  a                    1.11x/90.0   0.01x ✓
    published               1.10x
  b                  2.00x/never!   0.90x ✗
    published               1.10x
  ✓ as published, within the source's own spread: 1 of 2 figures; most off is the largest difference of a line
  ✗ further off: 1
  0 of 1 bars held (a bar is what must hold)
  ! misses its bar: 1
    b p=0.1: load is 2.00x, published 1.10x
    b p=0.1: load is 2.00x, must be at most 1.50x

`, printed(t, p, 120))
}

func TestPrint_NoMarksNoLegend(t *testing.T) {
	p := twoRows()
	for i := range p.Rows {
		p.Rows[i].Published, p.Rows[i].Bars = nil, nil
	}
	text := printed(t, p, 80)
	for _, sign := range []string{"✓", "✗", "!", "bar", "published"} {
		require.NotContains(t, text, sign)
	}
}

func TestPrint_KeepsWidth(t *testing.T) {
	p := Performed{Experiment: Experiment{
		Name: "x", About: strings.Repeat("what and ", 20), Params: []string{"p"}, Pivot: "p",
		Setup: strings.Repeat("a model ", 30), Metrics: []Metric{{"load", "", Times}},
	}}
	for i := range 40 {
		p.Rows = append(p.Rows, Row{Policy: "a", Params: map[string]any{"p": i}, Metrics: map[string]*float64{"load": Value(float64(i))}})
	}
	for _, width := range []int{40, 80, 200} {
		text := printed(t, p, width)
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), width, line)
		}
		for i := range 40 {
			require.Equal(t, 1, strings.Count(text, fmt.Sprintf(" p=%d ", i))+strings.Count(text, fmt.Sprintf(" p=%d\n", i)))
			require.Contains(t, text, fmt.Sprintf(" %d.00x", i), "width %d", width)
		}
	}
}

func TestPrint_FailedExperimentHasReason(t *testing.T) {
	require.Contains(t, printed(t, Performed{Experiment: twoRows().Experiment, Err: fmt.Errorf("no luck")}, 80), "  failed: no luck\n")
}

func TestPrint_BriefRows(t *testing.T) {
	p := twoRows()
	p.Brief = func(r Row) bool { return r.Policy == "b" }
	text := printed(t, p, 80)
	require.NotContains(t, text, "1.11x")
	require.Contains(t, text, "1 of 2 rows")
	require.Contains(t, text, "1 of 2 figures", "all of them are counted")
}

// A difference that the table's digits do not show is shown with more of them.
func TestOff_ShowsDifference(t *testing.T) {
	p := twoRows()
	p.Rows = []Row{{Policy: "a", Metrics: map[string]*float64{"load": Value(1.2141)}, Bars: map[string]Bar{"load": {AtMost: 1.21}}}}
	require.Equal(t, []string{"a: load is 1.214, must be at most 1.21"}, p.Off())
	p.Rows[0].Metrics["load"] = nil
	require.Equal(t, []string{"a: load is never, must be at most 1.21x"}, p.Off())
}

func TestSum_IgnoresMachineSpeed(t *testing.T) {
	fast, slow := twoRows(), twoRows()
	slow.Machine = true
	require.Equal(t, Tally{Published: 2, Agree: 1, Bars: 1}, Sum([]Performed{fast, slow}))
	require.Equal(t, "1 of 2 published figures agree; 0 of 1 bars held", Sum([]Performed{fast}).String())
	require.Contains(t, printed(t, slow, 120), "no part of the verdict")
}

// The rows of the headline are those of the experiments.
func TestHeadline_FromExperiments(t *testing.T) {
	skipUnderRace(t)
	o := Options{Seed: 1, Quick: true, Workers: 2, User: []Policy{UserPolicy("mine", policyNamed("grpc").Config)}}
	var b bytes.Buffer
	require.NoError(t, Headline(t.Context(), &b, o, 80))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 3+1+5, "what it is, a heading, four budgets and the user's")
	loads := map[string][]string{}
	for _, row := range quickly(t, outage, 1) {
		loads[row.Policy] = append(loads[row.Policy], Times(*row.Metrics["load"]))
	}
	for i, b := range headlineBudgets {
		require.Contains(t, lines[4+i], b.name)
		require.Subset(t, strings.Fields(lines[4+i]), loads[b.policy])
	}
	for _, row := range quickly(t, retryBudget, 1) {
		if row.Policy == "evenkeel" && row.Params["p"] == .1 {
			require.True(t, strings.HasSuffix(lines[7], " "+Percent(*row.Metrics["success"])+" %"), lines[7])
		}
	}
	require.Contains(t, lines[8], "user:mine")
}
