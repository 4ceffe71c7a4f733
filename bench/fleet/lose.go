package fleet

import (
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/retry"
)

// lose breaks all connections to the server, or to the one replica of the fault, and schedules the
// next time. What the callers send because of it is on new connections.
func (s *sim) lose(fault uint32) {
	type underWay struct{ slot, gen uint32 }
	f := s.scenario.Faults[fault]
	var lost []underWay
	for slot := range s.attempts.Used {
		a := s.attempts.At(slot)
		if int(a.hop) != len(s.hops)-1 || f.Replica > 0 && int(a.replica) != f.Replica-1 || s.waiting(a) == nil {
			continue
		}
		lost = append(lost, underWay{slot, a.gen})
	}
	for _, l := range lost {
		s.abandon(l.slot, l.gen, retry.Outcome{Class: retry.Transient, Evidence: budget.Lost})
	}
	if next := s.now + int64(f.Lose); next < int64(f.To) {
		s.schedule(next, lose, fault, 0)
	}
}
