package layer

import (
	"context"
	"sync/atomic"
)

// Keys of a context's values, as ints: which attempt of its call is being made, and the same if a
// transport makes it. An operation's attempt is none of the requests made in it.
type (
	Number struct{}
	Resend struct{}
)

// Attempt is the context of one attempt of an operation: whatever was declared of the operation is
// not of the calls made in it, and it counts those that were spent.
type Attempt struct {
	context.Context
	number int
	spent  atomic.Uint32 // calls made under it that were spent
	passed atomic.Uint32 // as many of these as were when a later one began that was not spent
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
// declared of it, or calls made in it may end with an answer after they were spent.
func Involved(ctx context.Context) bool { return seen.Load()&(spent|declared) != 0 && involved(ctx) }

func involved(ctx context.Context) bool {
	now := seen.Load()
	return now&spent != 0 || now&declared != 0 && Declared(ctx) != 0
}

// Enter returns the context of an attempt that an operation is about to make, numbered from 1, on
// a context that may be made of the operation's. It is nil for a first attempt that is not
// Involved, which runs on that context itself.
func Enter(ctx context.Context, number int) *Attempt {
	switch {
	case number > 1:
		Resent()
	case !Involved(ctx):
		return nil
	}
	return &Attempt{Context: ctx, number: number}
}

// Exhausted reports whether the last call made in an attempt was spent; a is what Enter returned.
// After nil that is so if any call of the process was spent meanwhile, and it was the first: from
// then on no attempt comes without.
func (a *Attempt) Exhausted() bool {
	if a == nil {
		return seen.Load()&spent != 0
	}
	return a.spent.Load() != a.passed.Load()
}

// Call is a call that a transport makes, as the attempt around it sees it. The zero Call is one
// without.
type Call struct {
	around *Attempt
	before uint32
}

// Nested reports whether there may be something to find by Begin.
func Nested() bool { return seen.Load()&(spent|resent) != 0 }

// Begin begins a call of a transport. Inside an attempt that is a resend it returns the context to
// make the call on, so that the call's own first attempt does not look like one; else nil.
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

// End ends the call: unless it was spent, or another one was meanwhile, those that were spent
// before it do not count any more.
func (c Call) End() {
	if c.around != nil && c.around.spent.Load() == c.before {
		c.around.passed.Store(c.before)
	}
}

// first is the context of a call that is made inside a resend.
type first struct{ context.Context }

func (c *first) Value(k any) any {
	switch k.(type) {
	case Number, Resend:
		return 1
	}
	return c.Context.Value(k)
}
