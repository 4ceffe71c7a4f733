package budget

import "time"

// Kind is the purpose of an attempt.
type Kind uint8

const (
	First Kind = iota // the call's first attempt: never refused
	Retry             // the one before failed
	Hedge             // the one before is slow
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
	Unsent                     // the attempt was admitted and then not sent: what it cost is given back
	Lost                       // its connection, which had answered before, was lost: as Failed, and the calls on it fail together
	Unknown                    // an error that no classifier knows: perhaps not of the destination; most count it as Failed
)

// Permit is a budget's own record of one attempt: what it cost, and when it was admitted. It means
// nothing to anybody else, and must be ended exactly once.
type Permit uint64

// Budget decides whether one more attempt is affordable. It is safe for concurrent use; each
// method is one atomic decision. A budget that is Timeless may be given the zero time.
type Budget interface {
	// Begin records a call's first attempt, which no Budget refuses.
	Begin(now time.Time) Permit
	// Admit asks for one more attempt of kind k. because is the evidence of the last attempt's
	// end, or of its silence; held is the permit of the call's last attempt, which may be ended
	// already.
	Admit(now time.Time, k Kind, because Evidence, held Permit) (Permit, bool)
	// End records the end of an attempt, exactly once for each permit.
	End(now time.Time, p Permit, e Evidence)
}

// Answer is the reply of a Queue to a call that asks for one more attempt now.
type Answer uint8

const (
	Refused Answer = iota // no: the call stops
	Granted               // yes: the attempt is sent at once
	Later                 // not yet: retries under way will decide, so ask again soon
)

// Queue is a Budget that is asked when a retry is due, not when its call failed, and that may
// answer Later. Admit of a Queue is Ask without patience: it reports whether the answer is
// Granted.
type Queue interface {
	Budget
	// Ask requests one more attempt of kind k now. An attempt that is granted is sent at once, or
	// ended as Unsent. With Later it returns a ticket, unless that is 0: the call passes it as
	// held when it asks again, about every 0.2 s, and ends it with None if it stops waiting
	// instead. The Queue bounds how many calls wait, and for how long.
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

// Timeless is implemented by a Budget that never uses the time. Others cost a call that
// succeeds two clock reads.
type Timeless interface{ Timeless() }

// Leveler is implemented by a Budget that can report how much of it is left, from 0 (no retries
// now) to 1 (full).
type Leveler interface{ Level() float64 }

// Counter is implemented by a Budget that counts successes. A call that a live connection hands
// back unprocessed again and again is resent for nothing for as long as their number grows, and
// twice with a Budget that does not count.
type Counter interface {
	// Successes returns how many attempts have ended Alive. It may come around.
	Successes() uint64
}

// Gate is implemented by a Budget that may refuse even a first attempt, which only the user can
// ask for (ClientThrottle). u is a random number in [0, 1).
type Gate interface {
	Allow(now time.Time, u float64) bool
}

// Stateless is implemented by a Budget in which a first attempt leaves nothing behind until it
// ends, so that one which never ends (its operation panicked) costs nothing. Drivers guard the
// first attempts of all others.
type Stateless interface{ Stateless() }
