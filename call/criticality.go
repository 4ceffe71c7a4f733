package call

// Criticality ranks the importance of a call, in the words of the book Site Reliability
// Engineering, chapter 21. A server under overload refuses the least important first, and resends
// before first attempts. The zero value is Critical.
type Criticality int8

const (
	Sheddable     Criticality = iota - 2 // partial or no answers are expected: batch jobs. Never hedged
	SheddablePlus                        // the same for minutes, not hours. Never hedged
	Critical                             // users notice; the default
	CriticalPlus                         // users notice at once
)

var criticalityNames = [...]string{"SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL", "CRITICAL_PLUS"}

// String returns the book's name, which is the one that travels.
func (c Criticality) String() string { return name(criticalityNames[:], int(c-Sheddable)) }
