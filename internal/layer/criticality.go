package layer

import (
	"context"

	"github.com/evenkeel-go/evenkeel/call"
)

type criticality struct{}

// WithCriticality puts the importance of the calls made under a context on it.
func WithCriticality(ctx context.Context, c call.Criticality) context.Context {
	note(critical)
	return context.WithValue(ctx, criticality{}, c)
}

// Criticality returns what WithCriticality put on the context, and whether it did.
func Criticality(ctx context.Context) (c call.Criticality, ok bool) {
	if seen.Load()&critical == 0 {
		return 0, false
	}
	c, ok = ctx.Value(criticality{}).(call.Criticality)
	return c, ok
}

// Sheddable reports whether calls made under the context are less than Critical, and so not worth
// a hedge.
func Sheddable(ctx context.Context) bool {
	c, _ := Criticality(ctx)
	return c < call.Critical
}
