package otelx

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// The attributes of metrics, events and spans. Their values are small closed sets, or bounded.
const (
	destinationKey   = attribute.Key("evenkeel.destination")
	stopReasonKey    = attribute.Key("evenkeel.stop.reason")
	attemptKindKey   = attribute.Key("evenkeel.attempt.kind")
	attemptClassKey  = attribute.Key("evenkeel.attempt.class")
	attemptNumberKey = attribute.Key("evenkeel.attempt.number")
	waitDurationKey  = attribute.Key("evenkeel.wait.duration")
	callAttemptsKey  = attribute.Key("evenkeel.call.attempts")
	callHedgesKey    = attribute.Key("evenkeel.call.hedges")

	grpcMethodKey  = attribute.Key("grpc.method")               // gRFC A66
	grpcTargetKey  = attribute.Key("grpc.target")               // gRFC A66
	resendCountKey = attribute.Key("http.request.resend_count") // HTTP semantic conventions
)

// unknown is the name of a value outside its enumeration.
const unknown = "unknown"

// The names of the enumerations, by value, and last that of all values outside.
var (
	reasonNames = names(retry.Reason.String)
	classNames  = names(retry.Class.String)
	kindNames   = names(budget.Kind.String)
)

func names[E ~uint8](name func(E) string) (all []string) {
	for e := E(0); ; e++ {
		all = append(all, name(e))
		if all[e] == unknown {
			return all
		}
	}
}

// index is where a value of an enumeration stands among its names.
func index[E ~uint8](e E, names []string) int { return min(int(e), len(names)-1) }
