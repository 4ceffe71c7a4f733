package budget

import (
	"cmp"
	"errors"
	"math"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// GRPC is gRPC's retry throttling, gRFC A6
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md): a failure that counts takes
// a token, a success adds TokenRatio, and retries and hedges are sent only while more than half of
// MaxTokens is left. Everything but Alive, None and Unsent is a failure; a server that pushes back
// with "do not retry" has failed too, whether or not Admit is asked afterwards.
type GRPC struct {
	MaxTokens  float64 // 0 means 10; above 0 and at most 1000, at most three decimals
	TokenRatio float64 // what a success adds; 0 means 0.1; above 0 and at most 1000, at most three decimals
}

const milli = 1e3 // A6 counts tokens in thousandths

// Validate reports every field that A6 does not allow.
func (g GRPC) Validate() error {
	return errors.Join(checkTokens("MaxTokens", g.MaxTokens), checkTokens("TokenRatio", g.TokenRatio))
}

func checkTokens(field string, v float64) error {
	threeDecimals := math.Round(v*milli)/milli == v
	return conf.Check(v >= 0 && v <= 1000 && threeDecimals, field,
		"must be above 0 and at most 1000, with at most three decimals, not %v", v)
}

// New returns a budget of MaxTokens.
func (g GRPC) New() Budget {
	size := cmp.Or(g.MaxTokens, 10)
	ratio := min(cmp.Or(g.TokenRatio, 0.1), size) // more than the maximum cannot be added anyway
	b := &grpcBudget{ratio: int64(math.Round(ratio * milli))}
	b.tokens.init(int64(math.Round(size * milli)))
	return b
}

type grpcBudget struct {
	pooled
	ratio int64
}

// Level returns 1 when full, and 0 from the half downwards, where no retry is sent.
func (b *grpcBudget) Level() float64 { return max(0, 2*b.pooled.Level()-1) }

func (b *grpcBudget) Admit(time.Time, Kind, Evidence, Permit) (Permit, bool) {
	return 0, !b.empty.Load() && b.tokens.left.Load() > b.tokens.size/2
}

func (b *grpcBudget) End(_ time.Time, _ Permit, e Evidence) {
	b.refill(e)
	switch e {
	case Alive:
		b.tokens.add(b.ratio)
	case Failed, Overloaded, Silent, Lost, Unknown:
		b.tokens.add(-milli)
	}
}
