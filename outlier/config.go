package outlier

import (
	"cmp"
	"errors"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// Config sets when backends are set aside, and for how long. The zero value is a good choice.
type Config struct {
	Failures int           // failures in a row that set a backend aside at the earliest; 0 means 5
	Excess   float64       // how far its share of failures must lie above its siblings', from 0 to 1; 0 means 0.2
	Slower   float64       // how many times as long as its siblings it must take, and at least 5 ms longer; 0 means 5
	MaxShare float64       // the part of the backends that may be set aside, at least one of several; 0 means 0.5
	Base     time.Duration // how long a backend is set aside at first; 0 means a second
	Max      time.Duration // the longest it is; 0 means a minute, or Base if that is more
}

const (
	defaultFailures = 5
	defaultExcess   = .2
	defaultSlower   = 5
	defaultMaxShare = .5
	defaultBase     = time.Second
	defaultMax      = time.Minute
	longest         = 24 * time.Hour
)

// Validate reports every field that is out of its range.
func (c Config) Validate() error {
	least := c.withDefaults().Base
	return errors.Join(
		conf.Check(c.Failures >= 0, "Failures", "must not be negative, not %d", c.Failures),
		conf.Check(c.Excess >= 0 && c.Excess <= 1, "Excess", "must be between 0 and 1, not %v", c.Excess),
		conf.Check(c.Slower == 0 || c.Slower > 1, "Slower", "must be 0 or above 1, not %v", c.Slower),
		conf.Check(c.MaxShare >= 0 && c.MaxShare <= 1, "MaxShare", "must be between 0 and 1, not %v", c.MaxShare),
		conf.Check(c.Base >= 0 && c.Base <= longest, "Base", "must be between 0 and %v, not %v", longest, c.Base),
		conf.Check(c.Max == 0 || c.Max > 0 && c.Max >= least && c.Max <= longest, "Max",
			"must be between Base and %v, not %v", longest, c.Max),
	)
}

func (c Config) withDefaults() Config {
	c.Failures = cmp.Or(c.Failures, defaultFailures)
	c.Excess = cmp.Or(c.Excess, defaultExcess)
	c.Slower = cmp.Or(c.Slower, defaultSlower)
	c.MaxShare = cmp.Or(c.MaxShare, defaultMaxShare)
	c.Base = cmp.Or(c.Base, defaultBase)
	c.Max = cmp.Or(c.Max, max(defaultMax, c.Base))
	return c
}

// duration returns how long a backend is set aside for the times-th time in a row, from 1.
func (c *Config) duration(times int) time.Duration {
	d := c.Base
	for range times - 1 {
		if d >= c.Max/2 {
			return c.Max
		}
		d *= 2
	}
	return min(d, c.Max)
}
