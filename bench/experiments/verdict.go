package experiments

import (
	"fmt"
	"strings"
)

// Tally counts figures that were compared.
type Tally struct {
	Published, Agree int // figures that somebody has published, and those of them that agree
	Bars, Hold       int // figures that must be at least or at most something, and those that are
}

// add counts the figures of a row.
func (t *Tally) add(row Row) {
	for m := range row.Published {
		t.Published++
		if ok, _ := row.Agrees(m); ok {
			t.Agree++
		}
	}
	for m := range row.Bars {
		t.Bars++
		if ok, _ := row.Holds(m); ok {
			t.Hold++
		}
	}
}

func tallyOf(rows []Row) (t Tally) {
	for _, row := range rows {
		t.add(row)
	}
	return t
}

// Tally returns the tally of an experiment.
func (p Performed) Tally() Tally { return tallyOf(p.Rows) }

// Sum returns the tally of all experiments but those that measure the speed of the machine.
func Sum(all []Performed) Tally {
	var rows []Row
	for _, p := range all {
		if !p.Machine {
			rows = append(rows, p.Rows...)
		}
	}
	return tallyOf(rows)
}

func (t Tally) String() string {
	var parts []string
	if t.Published > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d published figures agree", t.Agree, t.Published))
	}
	if t.Bars > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d bars held", t.Hold, t.Bars))
	}
	return strings.Join(parts, "; ")
}

// Off names each figure that disagrees or misses its bar, and says what is wrong with it.
func (p Performed) Off() []string {
	shows := map[string]Format{}
	var metrics []string
	for _, m := range p.Metrics {
		metrics = append(metrics, m.Name)
		shows[m.Name] = m.Format
		if strings.HasSuffix(m.Label, "%") {
			shows[m.Name] = func(v float64) string { return m.Format(v) + " %" }
		}
	}
	var off []string
	for _, row := range p.Rows {
		for _, text := range row.off(metrics, func(metric string) Format { return shows[metric] }) {
			off = append(off, row.Label()+": "+text)
		}
	}
	return off
}

// marks explains the signs that the table of an experiment has, and counts them.
func (p Performed) marks() []string {
	var marks []string
	t := p.Tally()
	if t.Published > 0 {
		text := fmt.Sprintf("✓ as published, within the source's own spread: %d of %d figures", t.Agree, t.Published)
		if p.Pivot != "" {
			text += "; most off is the largest difference of a line"
		}
		marks = append(marks, text)
	}
	if t.Agree < t.Published {
		marks = append(marks, fmt.Sprintf("✗ further off: %d", t.Published-t.Agree))
	}
	if t.Bars > 0 {
		what := "what must hold"
		if p.Machine {
			what = "what an idle machine should reach, no part of the verdict"
		}
		marks = append(marks, fmt.Sprintf("%d of %d bars held (a bar is %s)", t.Hold, t.Bars, what))
	}
	if t.Hold < t.Bars {
		marks = append(marks, fmt.Sprintf("! misses its bar: %d", t.Bars-t.Hold))
	}
	return marks
}
