package budget

import "time"

// Kind is the purpose of an attempt.
type Kind uint8

const (
	First Kind = iota // the call's first attempt; only a Gate refuses it
	Retry             // an attempt after a failure
	Hedge             // an attempt beside one that is slow
)

var kindNames = [...]string{"first", "retry", "hedge"}

// String returns the kind's name in logs, metrics and traces.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Evidence is a conclusion about the destination that the end of an attempt supports.
type Evidence uint8

const (
	None       Evidence = iota // nothing: the caller gave up, or another attempt of the call won
	Alive                      // it works: a success, or an application's own refusal
	Failed                     // it failed
	Overloaded                 // it said that it is overloaded
	Silent                     // it said nothing within the attempt's timeout
	Unsent                     // nothing: the attempt was admitted and then not sent, so its cost is returned
	Lost                       // it failed: a connection that had answered before was lost, with all calls on it
	Unknown                    // unclear: no classifier knows the error; most budgets count it as Failed
)

// Permit is a budget's record of one attempt, such as its cost and when it was admitted. Only the
// budget that issued it can interpret it. It must be passed to End exactly once.
type Permit uint64

// Budget decides whether one more attempt is affordable. Its methods must be safe for concurrent
// use, and each decision atomic. A budget that is Timeless may be passed the zero time.
type Budget interface {
	// Begin records a call's first attempt. It cannot refuse it; see Gate.
	Begin(now time.Time) Permit
	// Admit reports whether one more attempt of kind k may be sent and, if so, returns its permit.
	// because is the evidence of the call's latest attempt that failed, and Silent for a hedge.
	// held is the permit of the call's latest admitted attempt, which may have ended.
	Admit(now time.Time, k Kind, because Evidence, held Permit) (Permit, bool)
	// End records the end of an attempt, exactly once for each permit.
	End(now time.Time, p Permit, e Evidence)
}

// Answer is the reply of a Queue to a call that asks for one more attempt now.
type Answer uint8

const (
	Refused Answer = iota // the call stops
	Granted               // the attempt is sent at once
	Later                 // the call asks again soon, when retries under way have shown more
)

// Queue is a Budget that is asked when a retry is due, not when the attempt before it failed, and
// that may answer Later. Its Admit must call Ask and report whether the answer is Granted, for
// callers that cannot wait.
type Queue interface {
	Budget
	// Ask requests one more attempt of kind k, as Admit does. If it answers Granted, the caller
	// sends the attempt at once, or ends the permit as Unsent. If it answers Later, the permit is
	// a ticket: the caller passes it as held when it asks again, after 10ms to 300ms, or ends it
	// with None if it stops waiting. A ticket of 0 need not be ended. The Queue limits how many
	// calls wait, and for how long.
	Ask(now time.Time, k Kind, because Evidence, held Permit) (Permit, Answer)
	// Hopeless reports whether Ask for a retry would answer Refused now, so that a call that fails
	// in an outage stops without waiting for its retry to be due. It changes nothing.
	Hopeless(now time.Time, because Evidence, held Permit) bool
}

// Spec is plain data that describes a budget; a policy makes one budget of it for each
// destination.
type Spec interface {
	Validate() error // every mistake, joined, each with its field's name
	New() Budget     // a budget in the state of a new process
}

// Timeless is implemented by a Budget that does not use the time in Begin, nor in End of a first
// attempt that is Alive: drivers pass the zero time. With any other Budget a call that succeeds
// costs two clock reads.
type Timeless interface{ Timeless() }

// Leveler is implemented by a Budget that can report how much of it is left, from 0 (no retries
// now) to 1 (full).
type Leveler interface{ Level() float64 }

// Counter is implemented by a Budget that counts successes. A call that live connections return
// unprocessed again and again is resent without cost while that count grows. With a Budget that is
// no Counter, it is resent without cost twice.
type Counter interface {
	// Successes returns how many attempts have ended Alive. It may wrap around to 0.
	Successes() uint64
}

// Gate is implemented by a Budget that may refuse even a first attempt, as ClientThrottle does. No
// default is a Gate.
type Gate interface {
	// Allow reports whether a call's first attempt may be sent. u is a random number in [0, 1).
	Allow(now time.Time, u float64) bool
}

// Stateless is implemented by a Budget whose Begin changes no state, so that a first attempt that
// never ends, because its operation panicked, does no harm. With any other Budget, drivers end
// the permit after a panic.
type Stateless interface{ Stateless() }
