package retry

import (
	"context"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Idempotency states whether a request may have its effect twice: [Undeclared], [Idempotent] or
// [NotIdempotent].
type Idempotency uint8

// WithIdempotency declares whether the call that is made with the context may have its effect
// twice: an operation of Do or DoValue, an HTTP request, or a gRPC call. It overrides every
// convention. The declaration is not passed on to the calls that an operation makes: to declare
// one of those, use WithIdempotency inside the operation, on the context of that call.
func WithIdempotency(ctx context.Context, i Idempotency) context.Context {
	return layer.Declare(ctx, uint8(i))
}

// declared returns what WithIdempotency declared, or Undeclared.
func declared(ctx context.Context) Idempotency { return Idempotency(layer.Declared(ctx)) }
