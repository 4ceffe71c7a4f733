package fleet

import (
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Loop sets how a client goes on when its call has ended.
type Loop uint8

const (
	NoLoop Loop = iota // calls come at a rate, whatever becomes of others
	AtOnce             // it makes the next call at once, as a naive consumer of a queue
	Paced              // as AtOnce, but for the waits of a retry.Pace
)

// tick is the least time that a client takes between two calls of a Loop.
const tick = time.Millisecond

// goOn makes the next call of a client that loops.
func (s *sim) goOn(client uint32, reason retry.Reason) {
	if s.load.Loop == NoLoop {
		return
	}
	at := s.now + int64(tick)
	if s.paces != nil {
		var err error
		if reason != retry.ReasonSuccess {
			err = &retry.Error{Reason: reason}
		}
		at = s.now + max(int64(tick), int64(s.paces[client].Delay(s.time, err)))
	}
	if at < s.load.until {
		s.schedule(at, arrive, client, 0)
	}
}
