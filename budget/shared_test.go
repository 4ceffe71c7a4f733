package budget_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// named is a budget of a user's own, made of another one.
type named struct {
	budget.Budget
}

// byName is one that is a map.
type byName map[string]int

func (byName) Begin(time.Time) budget.Permit                 { return 0 }
func (byName) End(time.Time, budget.Permit, budget.Evidence) {}
func (byName) Admit(time.Time, budget.Kind, budget.Evidence, budget.Permit) (budget.Permit, bool) {
	return 0, false
}

// zeroOf returns a budget of b's type that no Spec has made.
func zeroOf(b budget.Budget) budget.Budget {
	return reflect.New(reflect.TypeOf(b).Elem()).Interface().(budget.Budget)
}

func TestShared_RefusesUnusableBudgets(t *testing.T) {
	for name, b := range map[string]budget.Budget{
		"nil":                   nil,
		"a nil pointer to mine": (*named)(nil),
		"a zero budget":         zeroOf(budget.Adaptive{}.New()),
		"a nil map":             byName(nil),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, budget.Shared(b).Validate(), "Shared: must have a budget")
			_, err := retry.New(retry.Config{Budget: budget.Shared(b)})
			require.ErrorContains(t, err, "Budget.Shared: must have a budget")
			_, err = retry.New(retry.Config{Budget: budget.ClientThrottle{Retries: budget.Shared(b)}})
			require.ErrorContains(t, err, "Budget.Retries.Shared: must have a budget")
		})
	}
}

func TestShared_AcceptsUsableBudgets(t *testing.T) {
	for _, s := range append(published, budget.Unlimited{}, budget.Adaptive{}) {
		require.NoError(t, budget.Shared(s.New()).Validate())
		require.NoError(t, budget.Shared(named{Budget: s.New()}).Validate())
		require.NoError(t, budget.Shared(&named{Budget: s.New()}).Validate())
	}
	require.NoError(t, budget.Shared(mute{}).Validate(), "a user's own may be zero")
	require.NoError(t, budget.Shared(&mute{}).Validate())
	require.NoError(t, budget.Shared(byName{}).Validate())
}
