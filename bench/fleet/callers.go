package fleet

import (
	"cmp"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// callers are the processes that make one kind of call: the clients, or the instances of a
// service. They have one policy between them, whose budget and limits are those of whichever
// process is at work: current. That is what keeps a million clients, each with a state of its
// own, within memory: a Policy is hundreds of bytes, the default budget is tens.
type callers struct {
	rules   *call.Rules
	current uint32        // set before each use of the policy or of one of its calls, and with it
	spends  budget.Budget // its budget
	n       int
	tell    bool // pass "do not retry" on
	single  bool // the policy sends one attempt: it has nothing to tell

	budget  budget.Spec
	budgets []budget.Budget
	pauses  []*dest.Pause // of each process; nil: none is shared by its calls
	attempt limits
	hedge   limits

	replicas  Replicas
	balancers []*balancer // of each process; nil: there is one server
}

// newCallers returns callers with a valid policy.
func newCallers(cfg retry.Config, n int, random func() float64) (*callers, error) {
	c := &callers{n: n, single: cfg.MaxAttempts == 1, budget: cmp.Or[budget.Spec](cfg.Budget, budget.Adaptive{})}
	c.budgets = make([]budget.Budget, n)
	for i := range c.budgets {
		c.budgets[i] = c.budget.New()
	}
	cfg.Budget = boundBudget{c}
	if cfg.HintScope == "destination" {
		c.pauses = make([]*dest.Pause, n)
		for i := range c.pauses {
			c.pauses[i] = dest.NewPauses(1).Of("")
		}
	}
	cfg.AttemptTimeout = c.attempt.bind(cfg.AttemptTimeout, c)
	cfg.Hedge = c.hedge.bind(cfg.Hedge, c)
	p, err := retry.New(cfg, retry.WithRand(random))
	if err != nil {
		return nil, err
	}
	c.rules = &drive.Of(p).Rules
	if c.pauses != nil {
		c.rules.Pause = boundPause{c}
	}
	return c, nil
}

// restart replaces a process by a new one.
func (c *callers) restart(i uint32) {
	c.budgets[i] = c.budget.New()
	if c.pauses != nil {
		c.pauses[i] = dest.NewPauses(1).Of("")
	}
	c.attempt.restart(i)
	c.hedge.restart(i)
	if c.balancers != nil {
		c.balancers[i] = newBalancer(c.replicas)
	}
}

// boundPause is the current process's.
type boundPause struct{ *callers }

func (b boundPause) Left(now time.Time, key string) (left, asked time.Duration) {
	return b.pauses[b.current].Left(now, key)
}

func (b boundPause) Set(now time.Time, key string, d time.Duration) {
	b.pauses[b.current].Set(now, key, d)
}

// boundBudget is the Spec of the current process's budget, and that budget.
type boundBudget struct{ *callers }

func (b boundBudget) Validate() error { return nil } // Scenario.check has asked the Spec itself

func (b boundBudget) New() budget.Budget {
	switch b.budgets[0].(type) {
	case budget.Gate:
		return gatedBudget{b}
	case budget.Queue:
		return queuedBudget{b}
	}
	return b
}

func (b boundBudget) Begin(now time.Time) budget.Permit { return b.spends.Begin(now) }

func (b boundBudget) Admit(now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit) (budget.Permit, bool) {
	return b.spends.Admit(now, k, because, held)
}

func (b boundBudget) End(now time.Time, p budget.Permit, e budget.Evidence) {
	b.spends.End(now, p, e)
}

// gatedBudget is one that may refuse first attempts.
type gatedBudget struct{ boundBudget }

func (b gatedBudget) Allow(now time.Time, u float64) bool {
	return b.spends.(budget.Gate).Allow(now, u)
}

// queuedBudget is one that may answer not yet.
type queuedBudget struct{ boundBudget }

func (b queuedBudget) Ask(
	now time.Time, k budget.Kind, because budget.Evidence, held budget.Permit,
) (budget.Permit, budget.Answer) {
	return b.spends.(budget.Queue).Ask(now, k, because, held)
}

func (b queuedBudget) Hopeless(now time.Time, because budget.Evidence, held budget.Permit) bool {
	return b.spends.(budget.Queue).Hopeless(now, because, held)
}

// limits holds the attempt timeout of each process.
type limits struct {
	spec timeout.Spec
	of   []timeout.Limit // nil if the limit learns nothing, and so is the same for all
}

// bind returns the Spec of the current process's limit. One that learns nothing is itself.
func (l *limits) bind(spec timeout.Spec, c *callers) timeout.Spec {
	if spec == nil {
		return nil
	}
	if _, learns := spec.New().(timeout.Learner); !learns {
		return spec
	}
	l.spec = spec
	l.of = make([]timeout.Limit, c.n)
	for i := range l.of {
		l.of[i] = spec.New()
	}
	return boundLimit{l, c}
}

func (l *limits) restart(i uint32) {
	if l.of != nil {
		l.of[i] = l.spec.New()
	}
}

// boundLimit is the Spec of the current process's limit, and that limit.
type boundLimit struct {
	*limits
	callers *callers
}

func (b boundLimit) Validate() error        { return nil }
func (b boundLimit) New() timeout.Limit     { return b }
func (b boundLimit) mine() timeout.Learner  { return b.of[b.callers.current].(timeout.Learner) }
func (b boundLimit) Timeout() time.Duration { return b.mine().Timeout() }
func (b boundLimit) Usual() time.Duration   { return b.mine().Usual() }

func (b boundLimit) Observe(now time.Time, took time.Duration, answered bool) {
	b.mine().Observe(now, took, answered)
}
