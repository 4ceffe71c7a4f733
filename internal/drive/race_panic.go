package drive

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError holds the value of a panic in a hedge, or in the code that sends one, on a goroutine
// of its own. retry.DoValue panics with it, so that the panic continues where the caller can
// recover it.
type PanicError struct {
	Value any    // what it panicked with
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

// failUnless is deferred by what is run on a goroutine of its own.
func (r *race[T]) failUnless(returned *bool) {
	if !*returned {
		r.fail(recover()) // nil: runtime.Goexit
	}
}

// fail ends the race because a hedge, or what was to send it, panicked or called runtime.Goexit.
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
