package drive

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError holds the value of a panic on a goroutine of a race other than the caller's: in a
// hedge, or in the code that sends one. retry.DoValue panics with it, so that the panic continues
// where the caller can recover it.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in a hedge: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap reaches the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// failUnless ends the race if the function that defers it, on a goroutine other than the caller's,
// did not return.
func (r *race[T]) failUnless(returned *bool) {
	if !*returned {
		r.fail(recover()) // nil: runtime.Goexit
	}
}

// fail ends the race after a panic with value or, if that is nil, runtime.Goexit.
func (r *race[T]) fail(value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value == nil {
		value = errGoexit
	}
	if r.broken == nil {
		r.broken = &PanicError{value, debug.Stack()}
	}
	r.cancel()
}

var errGoexit = errors.New("runtime.Goexit in a hedge")
