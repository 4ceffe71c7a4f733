package timeout

import (
	"cmp"
	"errors"
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Percentile is a limit that follows the latency of its destination: the user sets the share of
// attempts that may be given up although they would have been answered, and the limit is the
// latency that no greater share exceeds. The idea, and the two traps it has (a p99.9 close to the
// median, and connection set-up, which has to be part of what is measured), are those of the
// Amazon Builders' Library, "Timeouts, retries, and backoff with jitter".
//
//   - It uses a sliding window, but at least WarmUp answers, however old. Until there are so many,
//     it is the Ceiling.
//   - An attempt that was given up has shown only that an answer takes longer than that. Such a
//     censored sample moves its weight to the longer latencies seen, by the estimator of Kaplan
//     and Meier (1958). Counting it as an answer would pull each limit below the one before it,
//     down to the Floor.
//   - Where too many were given up and nothing longer has been seen, the limit goes up in steps:
//     at most to twice the longest time that an attempt was in fact given, and at most Growth-fold
//     within a Window. So a slow server meets a limit that follows it within a few times its
//     latency, and one that hangs does not pull the limit to the Ceiling at once.
//
// The zero value is a good attempt timeout. It serves as a hedge delay too: Percentile{Rate: 0.05}
// hedges the slowest twentieth of the attempts. Such a limit censors nothing by itself, because
// the attempt goes on beside its hedge, and until it is warm there are next to no hedges.
//
// It takes 24 KiB of memory a destination, and more with a longer Ceiling: 32 KiB with one of an
// hour.
type Percentile struct {
	// Rate is the share of attempts that may be given up although they would have been answered,
	// 0.00001 to 0.5. 0 means 0.001, the 99.9th percentile. Floor and Padding can only make it
	// fewer, Ceiling only more.
	Rate float64

	// Floor is the shortest limit. 0 means 1ms, or the Ceiling if that is shorter.
	Floor time.Duration

	// Ceiling is the longest limit, and the limit while too little is known; at most one hour. 0
	// means 30s, or the Floor if that is longer.
	Ceiling time.Duration

	// Padding is the least distance of the limit above the median, as a share of the median, at
	// most 100. Where the slowest attempts take little longer than the others do, it keeps a small
	// change from timing out everything. 0 means 0.5: at least one and a half times the median.
	// For next to none, use 0.001.
	Padding float64

	// Window is the length of the sliding window, 1s to 24h. 0 means one minute.
	Window time.Duration

	// WarmUp is how many answers are needed before the limit leaves the Ceiling, and how many are
	// kept, however old, for a destination with little traffic; at most 1,000,000. 0 means 1/Rate,
	// and 30 at least: a thousand for the 99.9th percentile, which fewer cannot show.
	WarmUp int

	// Growth is how many times longer the limit may become within one Window, 1.1 to 1000. 0 means
	// 16.
	Growth float64
}

const (
	defaultRate    = 0.001
	defaultFloor   = time.Millisecond
	defaultCeiling = 30 * time.Second
	defaultPadding = 0.5
	defaultWindow  = time.Minute
	defaultGrowth  = 16
	leastWarmUp    = 30
	maxCeiling     = time.Hour
)

// Validate reports every field out of its range.
func (p Percentile) Validate() error {
	d := p.withDefaults()
	highest := d.Ceiling
	if highest < 1 || highest > maxCeiling { // one mistake, not two
		highest = maxCeiling
	}
	return errors.Join(
		within("Rate", d.Rate, 0.00001, 0.5),
		within("Floor", d.Floor, 1, highest),
		within("Ceiling", d.Ceiling, 1, maxCeiling),
		within("Padding", d.Padding, 0, 100),
		within("Window", d.Window, time.Second, 24*time.Hour),
		within("WarmUp", d.WarmUp, 1, 1_000_000),
		within("Growth", d.Growth, 1.1, 1000),
	)
}

// New returns a [Learner] that knows nothing yet. It panics if p is not valid.
func (p Percentile) New() Limit {
	if err := p.Validate(); err != nil {
		panic(conf.In("timeout.Percentile", err))
	}
	return newEstimator(p.withDefaults())
}

func (p Percentile) withDefaults() Percentile {
	p.Rate = cmp.Or(p.Rate, defaultRate)
	p.Ceiling = cmp.Or(p.Ceiling, min(max(defaultCeiling, p.Floor), maxCeiling))
	if p.Floor == 0 {
		p.Floor = defaultFloor
		if p.Ceiling > 0 {
			p.Floor = min(defaultFloor, p.Ceiling)
		}
	}
	p.Padding = cmp.Or(p.Padding, defaultPadding)
	p.Window = cmp.Or(p.Window, defaultWindow)
	p.WarmUp = cmp.Or(p.WarmUp, max(leastWarmUp, int(math.Ceil(1/max(p.Rate, 1e-6)))))
	p.Growth = cmp.Or(p.Growth, defaultGrowth)
	return p
}

// within reports whether a value is in a range; NaN is outside of every range.
func within[T int | float64 | time.Duration](field string, v, low, high T) error {
	return conf.Check(v >= low && v <= high, field, "must be %v to %v, not %v", low, high, v)
}
