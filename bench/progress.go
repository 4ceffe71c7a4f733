package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// progress shows on stderr what is under way: on a terminal in one line that is rewritten,
// otherwise in a line for each experiment that is done.
type progress struct {
	w        io.Writer
	all      int
	terminal bool
	width    int
	begun    time.Time
	stop     chan struct{}
	over     sync.WaitGroup

	mu    sync.Mutex
	ended int
	want  map[string]int
	have  map[string]int
}

func newProgress(w io.Writer, all, width int) *progress {
	p := &progress{
		w: w, all: all, width: width, terminal: isTerminal(w), begun: time.Now(),
		stop: make(chan struct{}), want: map[string]int{}, have: map[string]int{},
	}
	if p.terminal {
		p.over.Go(p.tick)
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) tick() {
	ticker := time.NewTicker(time.Second / 5)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.rewrite(p.line())
			p.mu.Unlock()
		}
	}
}

// line describes what is under way, short enough that the terminal does not wrap it.
func (p *progress) line() string {
	parts := []string{fmt.Sprintf("bench: %d of %d done", p.ended, p.all)}
	for _, name := range slices.Sorted(maps.Keys(p.want)) {
		if p.have[name] < p.want[name] {
			parts = append(parts, fmt.Sprintf("%s %d/%d", name, p.have[name], p.want[name]))
		}
	}
	line := []rune(strings.Join(parts, ", "))
	return string(line[:min(len(line), max(p.width-1, 0))])
}

// rewrite puts a line in place of the one before.
func (p *progress) rewrite(line string) { fmt.Fprint(p.w, "\r\x1b[K"+line) }

// Expect adds n runs to those expected of an experiment.
func (p *progress) Expect(name string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want[name] += n
}

// Done counts a finished run of an experiment.
func (p *progress) Done(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have[name]++
}

// without calls f, which writes to the terminal, while the line is not there.
func (p *progress) without(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		p.rewrite("")
	}
	f()
}

// finished calls f, which writes what has come of an experiment.
func (p *progress) finished(name string, f func()) {
	p.without(func() {
		p.ended++
		p.have[name] = p.want[name]
		f()
		if !p.terminal {
			fmt.Fprintf(p.w, "bench: %s done, %d of %d, %.0f s\n", name, p.ended, p.all, time.Since(p.begun).Seconds())
		}
	})
}

func (p *progress) close() {
	close(p.stop)
	p.over.Wait()
	p.without(func() {})
}
