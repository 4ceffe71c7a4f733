package retry

import (
	"context"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Idempotency states whether a request may have its effect twice: [Undeclared], [Idempotent] or
// [NotIdempotent].
type Idempotency uint8

// WithIdempotency declares whether the call that is given the context may have its effect twice,
// which overrides every convention: an operation of Do or DoValue, an HTTP request, a gRPC call.
// It says nothing of the calls that an operation makes: the context that Do passes to it has no
// declaration. To declare one of those, use WithIdempotency inside the operation, on the context
// of that request.
func WithIdempotency(ctx context.Context, i Idempotency) context.Context {
	return layer.Declare(ctx, uint8(i))
}

// declared returns what WithIdempotency declared, or Undeclared.
func declared(ctx context.Context) Idempotency { return Idempotency(layer.Declared(ctx)) }
