package budget

import (
	"cmp"
	"errors"
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// TokenBucket is the retry budget of Marc Brooker, "Fixing retries with token buckets and circuit
// breakers" (https://brooker.co.za/blog/2022/02/28/retries.html): calls deposit a fraction of a
// token, a retry costs one and needs more than one to be there.
type TokenBucket struct {
	Ratio     float64 // what one deposit adds, in retries; 0 means 0.1; at most 1
	Cap       float64 // what a full bucket holds, in retries; 0 means 5; above 1 and at most 1e6
	OnSuccess bool    // deposit at each success (the article's text), not at each call (its simulation)
}

const (
	micro  = 1e6       // a token in the units of its pool: whole numbers, so that ten deposits of 0.1 make exactly one
	enough = micro + 1 // what must be there for a retry: more than one token
)

// Validate reports every field that is out of its range.
func (t TokenBucket) Validate() error {
	return errors.Join(
		conf.Check(t.Ratio == 0 || t.Ratio >= 1/micro && t.Ratio <= 1, "Ratio",
			"must be 0 (the default) or between 0.000001 and 1, not %v", t.Ratio),
		conf.Check(t.Cap == 0 || math.Round(t.Cap*micro) >= enough && t.Cap <= 1e6, "Cap",
			"must be 0 (the default) or between 1.000001 and 1e6, not %v", t.Cap),
	)
}

// New returns a full bucket.
func (t TokenBucket) New() Budget {
	ratio, size := cmp.Or(t.Ratio, 0.1), cmp.Or(t.Cap, 5)
	b := &tokenBucket{deposit: int64(math.Round(ratio * micro)), onSuccess: t.OnSuccess}
	b.tokens.init(int64(math.Round(size * micro)))
	b.least = enough
	return b
}

type tokenBucket struct {
	pooled
	deposit   int64
	onSuccess bool
}

func (b *tokenBucket) Begin(time.Time) Permit {
	if !b.onSuccess {
		b.tokens.add(b.deposit)
	}
	return 0
}

func (b *tokenBucket) Admit(time.Time, Kind, Evidence, Permit) (Permit, bool) {
	return micro, !b.empty.Load() && b.tokens.take(micro, enough)
}

func (b *tokenBucket) End(_ time.Time, p Permit, e Evidence) {
	b.refill(e)
	switch {
	case e == Alive && b.onSuccess:
		b.tokens.add(b.deposit)
	case e == Unsent:
		b.tokens.add(int64(p))
	}
}
