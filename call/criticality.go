package call

// Criticality ranks the importance of a call, in the words of the book Site Reliability
// Engineering, chapter 21. A server under overload refuses the least important first, and resends
// before first attempts. The zero value is Critical.
type Criticality int8

const (
	Sheddable     Criticality = iota - 2 // frequent partial, occasional full unavailability is fine. Never hedged
	SheddablePlus                        // partial unavailability is fine: batch jobs. Never hedged
	Critical                             // users notice a failure; the default
	CriticalPlus                         // users notice a failure at once
)

var criticalityNames = [...]string{"SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL", "CRITICAL_PLUS"}

// String returns the book's name, which is the value on the wire.
func (c Criticality) String() string { return name(criticalityNames[:], int(c-Sheddable)) }
