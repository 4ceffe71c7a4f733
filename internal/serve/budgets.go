// Package serve holds what the servers of httpx and grpcx share: the retry budgets of the
// requests that they answer, and which of them are refused under overload.
package serve

import (
	"strings"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/dest"
)

const (
	maxKeys = 1024
	maxKey  = 256 // bytes; keys that begin alike share a budget
)

// Budgets are the retry budgets of a server, one for each key.
type Budgets struct {
	fleet budget.Fleet
	keys  *dest.Table[string, *budget.Answers]
}

// NewBudget returns the budget that f describes. It panics if f is not valid, and says that option
// is at fault.
func NewBudget(option string, f budget.Fleet) *budget.Answers {
	if err := f.Validate(); err != nil {
		panic(option + ": " + err.Error())
	}
	return f.New()
}

// NewBudgets returns budgets that are as NewBudget would make them, and panics as that does.
func NewBudgets(option string, f budget.Fleet) *Budgets {
	_ = NewBudget(option, f)
	spent := func(a *budget.Answers) bool { return a.Level() < 1 }
	return &Budgets{fleet: f, keys: dest.New[string](maxKeys, spent)}
}

// Of returns the budget of a key. Of those that were not used lately some are forgotten.
func (b *Budgets) Of(key string) *budget.Answers {
	key = key[:min(len(key), maxKey)]
	if e, ok := b.keys.Get(key); ok {
		return e.Value
	}
	// A copy: the key may be part of a whole request's header.
	return b.keys.GetOrAdd(strings.Clone(key), func(_ *dest.Entry[string, *budget.Answers], drained bool) *budget.Answers {
		if drained {
			return b.fleet.NewDrained()
		}
		return b.fleet.New()
	}).Value
}
