package timeout

// ErrAttempt is the cause of a context that an attempt's own timeout ended: context.Cause(ctx) ==
// ErrAttempt distinguishes that, which is worth a retry, from the caller's deadline, which is not.
// It is a context.DeadlineExceeded, and errors.Is finds it in the error of a call whose last
// attempt ran out of its own time.
//
// A caller's context can be that of another call's attempt, whose cause is then inherited: check
// the caller's context first.
var ErrAttempt error = &deadlineError{"context deadline exceeded (evenkeel: attempt timeout)"}
