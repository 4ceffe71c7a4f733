package retry

import "context"

// Idempotency is whether a request may have its effect twice.
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

type idempotencyKey struct{}

// WithIdempotency declares what the calls made under the context are, which overrides every convention. It is the
// caller's word for Do, HTTP and gRPC alike.
func WithIdempotency(ctx context.Context, i Idempotency) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, i)
}

// IdempotencyFrom is what WithIdempotency declared, or Undeclared.
func IdempotencyFrom(ctx context.Context) Idempotency {
	i, _ := ctx.Value(idempotencyKey{}).(Idempotency)
	return i
}

// Limit keeps an outcome from a retry that could repeat an effect: unless the request is idempotent or was
// provably not processed, it may not be sent again.
func (o Outcome) Limit(idempotent bool) Outcome {
	if idempotent || o.NoRetry {
		return o
	}
	switch o.Class {
	case Transient, Throttled, Timeout:
		return o.Forbid(ReasonNotIdempotent)
	}
	return o
}
