package otelx

import (
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// budgetOf is the budget of the call's destination.
func budgetOf(retry.Report) budget.Budget { return nil }
