package layer

import (
	"context"
	"sync/atomic"
)

// Context keys of the number of the attempt that is made, an int from 1.
type (
	Number struct{} // of the closest call, whether a transport or an operation makes it
	Resend struct{} // of the request itself: 1 for those made in an operation's attempt
)

// Attempt is the context of one attempt of an operation. It hides what was declared of the
// operation from the calls made in it, and counts those that were spent.
type Attempt struct {
	context.Context
	number  int
	spent   atomic.Uint32 // calls made under it that were spent
	cleared atomic.Uint32 // spent as of the latest call that was not: those no longer count
}

// Value implements context.Context.
func (a *Attempt) Value(k any) any {
	switch k.(type) {
	case key:
		return a
	case declaration:
		return nil
	case Number:
		return a.number
	case Resend:
		return 1
	}
	return a.Context.Value(k)
}

// Involved reports whether even a first attempt of an operation needs an Attempt: something was
// declared of it, or calls made in it may be spent and yet end with an answer.
func Involved(ctx context.Context) bool { return seen.Load()&(spent|declared) != 0 && involved(ctx) }

// involved does the rest of Involved, which is inlined.
func involved(ctx context.Context) bool {
	now := seen.Load()
	return now&spent != 0 || now&declared != 0 && Declared(ctx) != 0
}

// Enter returns the context of an operation's attempt, numbered from 1, that is about to be made
// on ctx. It returns nil for a first attempt that is not Involved: that uses ctx itself.
func Enter(ctx context.Context, number int) *Attempt {
	switch {
	case number > 1:
		Resent()
	case !Involved(ctx):
		return nil
	}
	return &Attempt{Context: ctx, number: number}
}

// Exhausted reports whether the last call made in an attempt was spent. a is what Enter returned:
// if nil, no call of the process had been spent, and Exhausted reports whether one was since.
func (a *Attempt) Exhausted() bool {
	if a == nil {
		return seen.Load()&spent != 0
	}
	return a.spent.Load() != a.cleared.Load()
}

// Call is a call that a transport makes, inside an operation's attempt or not.
type Call struct {
	around *Attempt // nil: it is not inside one
	before uint32   // around.spent when the call began
}

// Nested reports whether calls must use Begin and End. They need not while no call of the process
// was spent or resent.
func Nested() bool { return seen.Load()&(spent|resent) != 0 }

// Begin begins a call of a transport. Inside a resend it returns the context for the call, on
// which its own first attempt does not look like a resend; otherwise it returns nil.
func Begin(ctx context.Context) (context.Context, Call) {
	var c Call
	if a, ok := ctx.Value(key{}).(*Attempt); ok {
		c = Call{a, a.spent.Load()}
	}
	if n, _ := ctx.Value(Number{}).(int); n > 1 {
		return &first{ctx}, c
	}
	return nil, c
}

// End ends the call. If no call was spent since it began, those spent before no longer count: the
// attempt went on after them.
func (c Call) End() {
	if c.around != nil && c.around.spent.Load() == c.before {
		c.around.cleared.Store(c.before)
	}
}

// first is the context of a call that is made inside a resend. It hides the resend's number.
type first struct{ context.Context }

func (c *first) Value(k any) any {
	switch k.(type) {
	case Number, Resend:
		return 1
	}
	return c.Context.Value(k)
}
