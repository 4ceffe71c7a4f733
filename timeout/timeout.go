package timeout

import "time"

// Spec is plain data that describes a limit; a policy makes one limit of it for each destination.
type Spec interface {
	Validate() error // every mistake, joined, each with its field's name
	New() Limit      // a limit in the state of a new process; panics on what Validate refuses
}

// Limit bounds how long an attempt may take or, as a hedge delay, how long it may go unanswered.
// It is safe for concurrent use.
type Limit interface {
	Timeout() time.Duration // 0: no limit
}

// Learner is a Limit that adapts to observed attempts. It is safe for concurrent use.
//
// Report attempts that got an answer, timed from when they were sent, connection set-up included,
// and attempts that were given up without one: at their own timeout, at the caller's deadline, or
// because a hedge won. Do not report failures that say nothing about how long an answer takes: a
// refused connection, or an overloaded server's quick no, would pull the limit down just when
// answers take longer.
type Learner interface {
	Limit
	// Observe records that an attempt ended at now after took. answered is false for a censored
	// sample: the attempt was given up, and all that is known is that an answer takes longer than
	// took.
	Observe(now time.Time, took time.Duration, answered bool)
	// Usual returns what an attempt usually takes (the median), 0 while too little is known.
	Usual() time.Duration
}
