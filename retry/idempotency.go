package retry

import (
	"context"

	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Idempotency says whether a request may have its effect twice.
type Idempotency uint8

const (
	// Undeclared leaves it to the transport's convention. Do takes its operation as idempotent: whoever passes one
	// to Do asks for it to be repeated. HTTP goes by the method and the Idempotency-Key header, gRPC by the
	// method's idempotency_level.
	Undeclared Idempotency = iota
	// Idempotent requests may be sent again after any failure that a retry may mend, and hedged.
	Idempotent
	// NotIdempotent requests are sent again only if they were provably unprocessed, and never hedged.
	NotIdempotent
)

// WithIdempotency declares whether the call that is given the context may have its effect twice, which overrides every
// convention: an operation of Do or DoValue, an HTTP request, a gRPC call. It says nothing of the calls that an
// operation makes: the context that Do passes to it has no declaration. To declare one of those, use WithIdempotency
// inside the operation, on the context of that request.
func WithIdempotency(ctx context.Context, i Idempotency) context.Context {
	return layer.Declare(ctx, uint8(i))
}

// IdempotencyFrom returns what WithIdempotency declared, or Undeclared. Inside an operation of Do that is Undeclared,
// whatever was declared of the operation.
func IdempotencyFrom(ctx context.Context) Idempotency { return Idempotency(layer.Declared(ctx)) }
