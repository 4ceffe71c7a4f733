package timeout

import "time"

// Spec is plain data that describes a limit; a policy makes one limit of it for each destination.
type Spec interface {
	Validate() error // every mistake, joined, each with its field's name
	New() Limit      // a limit in the state of a new process; panics on what Validate refuses
}

// Limit says how long an attempt may take (or, for a hedge, how long it may be silent). Safe for
// concurrent use.
type Limit interface {
	Timeout() time.Duration // 0: no limit
}

// Learner is a Limit that follows what it is told of attempts. Safe for concurrent use.
//
// Tell it of attempts that an answer came to, from the moment they were sent, connection set-up
// included, and of those given up before: at their own timeout, at the caller's deadline, or
// because a hedge won. Do not tell it of failures that say nothing about how long an answer takes:
// a refused connection, or an overloaded server's quick no, would pull the limit down just when
// answers take longer.
type Learner interface {
	Limit
	// Observe is told that an attempt ended at now after took. answered is false for a censored
	// sample: the attempt was given up, and all that is known is that an answer takes longer than
	// took.
	Observe(now time.Time, took time.Duration, answered bool)
	// Usual is what an attempt usually takes (the median), 0 as long as too little is known.
	Usual() time.Duration
}
