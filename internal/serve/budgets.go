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

// Budgets holds the retry budgets of a server, one for each key.
type Budgets struct {
	fleet budget.Fleet // describes each of them
	keys  *dest.Table[string, *budget.Answers]
}

// NewBudget returns the budget that f describes. If f is not valid, it panics and names option.
func NewBudget(option string, f budget.Fleet) *budget.Answers {
	check(option, f)
	return f.New()
}

// NewBudgets returns budgets for keys, all as f describes. It panics as NewBudget does.
func NewBudgets(option string, f budget.Fleet) *Budgets {
	check(option, f)
	spent := func(a *budget.Answers) bool { return a.Level() < 1 }
	return &Budgets{fleet: f, keys: dest.New[string](maxKeys, spent)}
}

// check panics if f is not valid, and names option.
func check(option string, f budget.Fleet) {
	if err := f.Validate(); err != nil {
		panic(option + ": " + err.Error())
	}
}

// Of returns the budget of a key. Over maxKeys, a key that was not used lately is forgotten.
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
