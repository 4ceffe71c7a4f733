package fleet

import (
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/conf"
	"github.com/evenkeel-go/evenkeel/internal/serve"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Answers sets a server's treatment of retries, as the servers of httpx and grpcx: it pays for
// those that its answers invite (WithRetryBudget), and refuses what it has no room for
// (WithLoadShedding). The zero value does neither.
type Answers struct {
	// Budget is that of each server; nil: none. An answer that it does not afford says "do not
	// retry".
	Budget *budget.Fleet
	// Servers is how many there are; each attempt goes to one at random. 0 means 1. They share the
	// Server's capacity.
	Servers int
	// Shed is the most attempts that may wait in a Server with a Rate; some of that is kept for
	// what matters more, as httpx.WithLoadShedding does. What is refused is told not to retry. 0:
	// none is refused.
	Shed int
}

func (a Answers) validate() error {
	if a.Servers < 0 || a.Servers > maxClients {
		return conf.Errorf("Servers", "must be between 0 (one) and %d, not %d", maxClients, a.Servers)
	}
	if a.Shed < 0 {
		return conf.Errorf("Shed", "must not be negative, not %d", a.Shed)
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

// sheds reports whether a server with so many attempts in hand refuses one more.
func (s *sim) sheds(a *attempt, inHand int) bool {
	limit := s.scenario.Answers.Shed
	return limit > 0 && int64(inHand)+1 > serve.Room(int64(limit), a.number, s.criticality(a.top))
}

func (s *sim) criticality(top bool) call.Criticality {
	if top {
		return call.CriticalPlus
	}
	return call.Critical
}

// top reports whether a client's calls are among the most important.
func (s *sim) top(client uint32) bool {
	return float64(client) < s.scenario.Load.Top*float64(s.hops[0].n)
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
	if o.Class != retry.Success && o.Forbidden == retry.ReasonNone && !a.server.Fail() {
		o.Forbidden = retry.ReasonNoRetry
	}
	a.server.End(a.request, o.Class == retry.Success)
	a.server = nil
	return o
}
