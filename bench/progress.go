package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// progress tells on stderr, once a second, what is under way. What takes less than a second is not mentioned.
type progress struct {
	w    io.Writer
	stop chan struct{}
	over sync.WaitGroup

	mu   sync.Mutex
	want map[string]int
	have map[string]int
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, stop: make(chan struct{}), want: map[string]int{}, have: map[string]int{}}
	p.over.Go(p.tick)
	return p
}

func (p *progress) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.print()
		}
	}
}

func (p *progress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.want)) {
		if p.have[name] < p.want[name] {
			parts = append(parts, fmt.Sprintf("%s %d/%d", name, p.have[name], p.want[name]))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintln(p.w, "bench:", strings.Join(parts, ", "))
	}
}

// Expect says that an experiment will have n more runs.
func (p *progress) Expect(name string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want[name] += n
}

func (p *progress) Done(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have[name]++
}

func (p *progress) close() {
	close(p.stop)
	p.over.Wait()
}
