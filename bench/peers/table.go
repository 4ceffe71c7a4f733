package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one library at one work, medians over the rounds.
type row struct {
	Work            string  `json:"work"`
	Library         string  `json:"library"`
	NsOp            float64 `json:"ns_op"` // without the wait that the work asks for
	BOp             float64 `json:"b_op"`
	AllocsOp        float64 `json:"allocs_op"`
	CPUOp           float64 `json:"cpu_op"`             // user and system time; 0: not measured
	HeldOp          float64 `json:"held_op"`            // bytes that stay on the heap; 0: not measured
	Answered        float64 `json:"answered"`           // the share of calls that were answered well
	SentOp          float64 `json:"sent_op"`            // attempts; 0: not counted
	RatioToBestPeer float64 `json:"ratio_to_best_peer"` // 0: there is no peer

	budget, bare, inside bool
	samples              []float64 // nanoseconds, a round each
	floors               []float64 // of bare, measured in alternation
	sents                []float64 // attempts of an operation
	cpus                 []float64 // processor time, where it was measured
	answered             []float64 // the share of calls that were answered well, where that was counted
	fault                string    // what was found when it was closed
}

// table holds the measurements of a run.
type table struct{ rows []*row }

// sample adds one round's figures to the row of a library at a work.
func (t *table) sample(workName string, b *bench, ns, floor, cpu float64) {
	s := sampled{
		Row:    row{Work: workName, Library: b.cell.library, BOp: b.bytes, AllocsOp: b.allocs, HeldOp: b.held},
		Budget: b.cell.budget, Bare: b.cell.bare, Inside: b.cell.inside,
		Samples: []float64{ns}, Floors: []float64{floor},
	}
	if cpu > 0 {
		s.CPUs = []float64{cpu}
	}
	t.merge(s)
}

func (t *table) row(work, library string) *row {
	for _, r := range t.rows {
		if r.Work == work && r.Library == library {
			return r
		}
	}
	return nil
}

// finish works out medians and ratios.
func (t *table) finish() {
	for _, r := range t.rows {
		r.NsOp = median(r.samples)
		if len(r.cpus) > 0 {
			r.CPUOp = median(r.cpus)
		}
		if len(r.sents) > 0 {
			r.SentOp = median(r.sents)
		}
		r.Answered = 1
		if len(r.answered) > 0 {
			r.Answered = median(r.answered)
		}
	}
	for _, r := range t.rows {
		if best := t.best(r.Work, false); best != nil {
			r.RatioToBestPeer = median(each(r.samples, best.samples, func(a, b float64) float64 { return a / b }))
		}
	}
}

// best returns the fastest peer at a work that answers its calls; free ones have no budget.
func (t *table) best(work string, free bool) (best *row) {
	for _, r := range t.rows {
		if r.Work != work || r.Answered < leastAnswered || r.Library == evenkeel || r.bare || r.inside || free && r.budget {
			continue
		}
		if best == nil || r.NsOp < best.NsOp {
			best = r
		}
	}
	return best
}

// bare returns the row of a work without any library, or with a loop by hand where that is all
// there is.
func (t *table) bare(work string) (found *row) {
	for _, r := range t.rows {
		if r.Work == work && r.bare && (found == nil || r.Library == byHandName) {
			found = r
		}
	}
	return found
}

// leastHeld returns the peer that keeps the least on the heap, of those that have a budget if
// there are any.
func (t *table) leastHeld(work string) (best *row) {
	for _, r := range t.rows {
		switch {
		case r.Work != work || r.Library == evenkeel || r.bare:
		case best == nil || r.budget && !best.budget || r.budget == best.budget && r.HeldOp < best.HeldOp:
			best = r
		}
	}
	return best
}

// each combines two series round by round.
func each(as, bs []float64, f func(a, b float64) float64) []float64 {
	out := make([]float64, min(len(as), len(bs)))
	for i := range out {
		out[i] = f(as[i], bs[i])
	}
	return out
}

func median(s []float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	s = slices.Sorted(slices.Values(s))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// print writes the table: by work, the fastest first.
func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "work\tlibrary\tns/op\tcpu ns/op\tB/op\tallocs/op\tof best peer\tspread\tnote\t")
	for _, group := range t.groups() {
		for _, r := range group {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%s\t%s\t%s\t\n",
				r.Work, r.Library, figure(r.NsOp), measured(r.CPUOp), r.BOp, r.AllocsOp, r.ratio(), r.spread(), r.note())
		}
		fmt.Fprintln(tw, "\t\t\t\t\t\t\t\t\t")
	}
	_ = tw.Flush()
}

func (t *table) groups() (groups [][]*row) {
	index := map[string]int{}
	for _, r := range t.rows {
		i, ok := index[r.Work]
		if !ok {
			i = len(groups)
			index[r.Work] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	for _, g := range groups {
		slices.SortFunc(g, func(a, b *row) int { return cmp.Compare(a.NsOp, b.NsOp) })
	}
	return groups
}

func (r *row) ratio() string {
	if r.RatioToBestPeer == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", r.RatioToBestPeer)
}

// note returns the remark beside the figures.
func (r *row) note() string {
	var notes []string
	if r.HeldOp > 0 {
		notes = append(notes, fmt.Sprintf("%.0f bytes held", r.HeldOp))
	}
	if r.SentOp > 0 && r.SentOp != math.Round(r.SentOp) {
		notes = append(notes, fmt.Sprintf("%.3f attempts", r.SentOp))
	}
	if share := median(r.answered); share < 1 {
		notes = append(notes, fmt.Sprintf("%.1f %% answered well", 100*share))
	}
	if r.fault != "" {
		notes = append(notes, r.fault)
	}
	return strings.Join(notes, "; ")
}

// spread returns half the distance of the quartiles, in percent of the median.
func (r *row) spread() string {
	s := slices.Sorted(slices.Values(r.samples))
	if len(s) < 4 {
		return ""
	}
	return fmt.Sprintf("±%.0f%%", 50*(s[len(s)*3/4]-s[len(s)/4])/math.Abs(r.NsOp))
}

func figure(ns float64) string {
	if math.Abs(ns) < 100 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

// measured returns a figure, or nothing for one that was not measured.
func measured(ns float64) string {
	if ns == 0 {
		return ""
	}
	return figure(ns)
}

// writeJSON writes the rows, and nothing else.
func writeJSON(w io.Writer, rows any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
