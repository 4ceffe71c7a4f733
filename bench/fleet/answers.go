package fleet

import (
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Answers is how the server pays for the retries that its answers invite, as httpx.WithRetryBudget and
// grpcx.WithRetryBudget do. The zero value pays for none, and lets clients decide.
type Answers struct {
	// Budget is that of each server; nil: none. An answer that it does not afford says "do not retry".
	Budget *budget.Fleet
	// Servers is how many there are; each attempt goes to one at random. 0 means 1. They share the Server's capacity.
	Servers int
}

func (a Answers) validate() error {
	if a.Servers < 0 || a.Servers > maxClients {
		return conf.Errorf("Servers", "must be between 0 (one) and %d, not %d", maxClients, a.Servers)
	}
	if a.Budget != nil {
		return conf.In("Budget", a.Budget.Validate())
	}
	return nil
}

// budgets returns those of all servers; none without a budget.
func (a Answers) budgets() []*budget.Answers {
	if a.Budget == nil {
		return nil
	}
	all := make([]*budget.Answers, max(a.Servers, 1))
	for i := range all {
		all[i] = a.Budget.New()
	}
	return all
}

// enter counts an attempt that has reached a server, where servers have budgets.
func (s *sim) enter(a *attempt) {
	if s.answers == nil {
		return
	}
	a.server = s.answers[s.pick(len(s.answers))]
	a.request = a.server.Begin()
}

// drop ends an attempt for its server's budget that will have no answer.
func (a *attempt) drop() {
	if a.server != nil {
		a.server.End(a.request, false)
		a.server = nil
	}
}

// decide adds "do not retry" to an outcome that its server has to answer and does not afford.
func (s *sim) decide(a *attempt, o retry.Outcome) retry.Outcome {
	if a.server == nil {
		return o
	}
	if o.Class != retry.Success && !a.server.Fail() {
		o.Forbidden = retry.ReasonNoRetry
	}
	a.server.End(a.request, o.Class == retry.Success)
	a.server = nil
	return o
}
