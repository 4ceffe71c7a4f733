package otelx

import (
	"slices"

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
	attemptStatusKey = attribute.Key("evenkeel.attempt.status")
	attemptNumberKey = attribute.Key("evenkeel.attempt.number")
	waitDurationKey  = attribute.Key("evenkeel.wait.duration")
	budgetWaitedKey  = attribute.Key("evenkeel.budget.waited")
	callAttemptsKey  = attribute.Key("evenkeel.call.attempts")
	callHedgesKey    = attribute.Key("evenkeel.call.hedges")

	grpcMethodKey  = attribute.Key("grpc.method")               // gRFC A66
	grpcTargetKey  = attribute.Key("grpc.target")               // gRFC A66
	resendCountKey = attribute.Key("http.request.resend_count") // HTTP semantic conventions
)

// unknown is the name of a value outside its enumeration.
const unknown = "unknown"

// The names of the enumerations, indexed by value. The last is for all other values.
var (
	reasonNames = names(retry.Reason.String)
	classNames  = names(retry.Class.String)
	kindNames   = names(budget.Kind.String)
)

// labelNames has the names of the classes, and after them two labels for canceled attempts:
// another attempt of the call won, or the caller's deadline had passed.
var (
	labelNames    = append(slices.Clip(classNames), "lost_race", "deadline")
	lostRace      = len(classNames)     // in labelNames
	deadline      = len(classNames) + 1 // in labelNames
	savedByNumber = []string{"2", "3", "4", "5+"}
)

// label returns the index in labelNames of an attempt's label.
func label(a *retry.Attempt) int {
	switch {
	case a.Outcome.Class != retry.Canceled:
	case a.Lost:
		return lostRace
	case a.Outcome.Forbidden == retry.ReasonDeadline:
		return deadline
	}
	return index(a.Outcome.Class, classNames)
}

// names returns the names of an enumeration's values, and unknown at the end.
func names[E ~uint8](name func(E) string) (all []string) {
	for e := E(0); ; e++ {
		all = append(all, name(e))
		if all[e] == unknown {
			return all
		}
	}
}

// index returns the position of a value of an enumeration among its names.
func index[E ~uint8](e E, names []string) int { return min(int(e), len(names)-1) }
