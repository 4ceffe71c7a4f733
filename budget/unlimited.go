package budget

import "time"

// Unlimited affords every retry. It is for tests, and for callers who have a budget elsewhere.
type Unlimited struct{}

// Validate finds nothing wrong.
func (Unlimited) Validate() error { return nil }

// New returns a budget without a limit.
func (Unlimited) New() Budget { return unlimited{} }

type unlimited struct{}

func (unlimited) Begin(time.Time) Permit                                 { return 0 }
func (unlimited) Admit(time.Time, Kind, Evidence, Permit) (Permit, bool) { return 0, true }
func (unlimited) End(time.Time, Permit, Evidence)                        {}
func (unlimited) Level() float64                                         { return 1 }
func (unlimited) Timeless()                                              {}
