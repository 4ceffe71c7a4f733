package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPeers runs the works of the table under go test -bench, one cell a benchmark. Its
// figures cannot be paired: measure with the command, profile with this.
func BenchmarkPeers(b *testing.B) {
	for _, w := range works() {
		b.Run(w.name, func(b *testing.B) {
			for _, c := range w.cells {
				b.Run(c.library, func(b *testing.B) { benchmark(b, w, &c) })
			}
		})
	}
}

func benchmark(b *testing.B, w *work, c *cell) {
	b.ReportAllocs()
	m := newBench(w, c)
	if w.alone {
		defer alone()()
	}
	b.ResetTimer()
	for left := b.N; left > 0; left -= m.span {
		n := min(left, m.span)
		m.rig.run(n)
		m.ops += n
	}
	b.StopTimer()
	if w.wait > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)-float64(w.wait), "over-wait-ns/op")
	}
	var leak *leakError
	if err := m.done(); err != nil {
		require.ErrorAs(b, err, &leak)
	}
}
