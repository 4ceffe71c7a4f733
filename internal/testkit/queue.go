package testkit

import (
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
)

// Queue is a budget.Queue that answers in turn; the last answer repeats.
type Queue struct {
	*Ledger
	answers []budget.Answer
	Asks    int // questions so far
}

// NewQueue returns a Queue with a Ledger of its own.
func NewQueue(answers ...budget.Answer) *Queue {
	return &Queue{Ledger: NewLedger(), answers: answers}
}

// Hopeless implements budget.Queue.
func (q *Queue) Hopeless(time.Time, budget.Evidence, budget.Permit) bool { return false }

// Ask implements budget.Queue.
func (q *Queue) Ask(_ time.Time, k budget.Kind, _ budget.Evidence, _ budget.Permit) (budget.Permit, budget.Answer) {
	q.Asks++
	answer := q.answers[min(q.Asks, len(q.answers))-1]
	if answer != budget.Granted {
		return 0, answer
	}
	return q.Issue(k), answer
}
