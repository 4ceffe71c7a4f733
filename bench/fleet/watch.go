package fleet

import (
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Watch runs a scenario as Run does, and calls seen after each second of it with the number of the
// second, from 0, and what took place in it. Calls that began in a second may end later: of the
// Point, only Calls, Sent, Good and Bad are final. An error of seen ends the run and is returned.
func Watch(policy retry.Config, scenario Scenario, seen func(second int, p Point) error) (*Result, error) {
	s, err := newSim(policy, scenario)
	if err != nil {
		return nil, err
	}
	s.watch.seen = seen
	if err := s.run(); err != nil {
		return nil, err
	}
	return s.result(), nil
}

// watch reports the seconds of a run to whoever watches it.
type watch struct {
	seen   func(second int, p Point) error // nil: nobody watches
	second int                             // the first that was not reported
}

// pass reports the seconds that are over at a time.
func (w *watch) pass(now int64, b *bins) error {
	if w.seen == nil {
		return nil
	}
	for ; now >= int64(w.second+1)*int64(time.Second); w.second++ {
		if err := w.seen(w.second, b.at(w.second)); err != nil {
			return err
		}
	}
	return nil
}

// rest reports what pass has not, the last second even if it is not over.
func (w *watch) rest(b *bins) error {
	return w.pass(b.edge+int64(time.Second)-1, b)
}

// at adds up the bins of a second; what lies behind the latest bin is empty.
func (b *bins) at(second int) Point {
	var sum Point
	for i := second * perSecond; i < min((second+1)*perSecond, len(b.series)); i++ {
		sum.add(b.series[i])
	}
	return sum
}
