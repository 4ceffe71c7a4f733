package budget

import (
	"cmp"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// AWS is the retry quota of the AWS SDKs' standard mode: 500 tokens per client. A retry costs
// tokens, depending on the failure, and returns them if it succeeds; other successes add one. The
// AWSMode has the figures.
type AWS struct {
	Mode AWSMode // "" means AWSStandard
}

// AWSMode names a version of the quota.
type AWSMode string

const (
	// AWSStandard takes 5 tokens for a retry, 10 after a timeout. Every success earns one.
	AWSStandard AWSMode = "standard"
	// AWS2026 is the Go SDK's default since its 1.48.0. It takes 14, or 5 after a throttle. A
	// success earns one only on a call's first attempt.
	AWS2026 AWSMode = "2026"
)

const (
	awsTokens   = 500
	awsCheapest = 5 // what the cheapest retry takes, in both modes
)

// Validate reports an unknown mode.
func (a AWS) Validate() error {
	switch a.Mode {
	case "", AWSStandard, AWS2026:
		return nil
	}
	return conf.Errorf("Mode", "must be %q or %q, not %q", AWSStandard, AWS2026, a.Mode)
}

// New returns a full quota.
func (a AWS) New() Budget {
	b := &awsBudget{mode: cmp.Or(a.Mode, AWSStandard)}
	b.tokens.init(awsTokens)
	b.least = awsCheapest
	return b
}

type awsBudget struct {
	pooled
	mode AWSMode
}

// Admit returns the price as the permit; a first attempt pays none.
func (b *awsBudget) Admit(_ time.Time, _ Kind, because Evidence, _ Permit) (Permit, bool) {
	cost := b.cost(because)
	if b.empty.Load() {
		return 0, false
	}
	return Permit(cost), b.tokens.take(cost, cost)
}

func (b *awsBudget) cost(because Evidence) int64 {
	switch {
	case b.mode == AWSStandard && because == Silent:
		return 10
	case b.mode == AWS2026 && because != Overloaded:
		return 14
	}
	return awsCheapest
}

func (b *awsBudget) End(_ time.Time, p Permit, e Evidence) {
	b.refill(e)
	switch {
	case e == Unsent:
		b.tokens.add(int64(p))
	case e == Alive && (p == 0 || b.mode == AWSStandard):
		b.tokens.add(int64(p) + 1)
	case e == Alive:
		b.tokens.add(int64(p))
	}
}
