package main

// The default budget of evenkeel allows one retry for ten successes, with ten to begin with. A
// benchmark in which every call fails once would soon measure calls that are not retried. So such
// a cell has a ring of policies, each with a budget of its own, spends perPolicy retries of each
// in a span, and earns them back with successes before the next span, outside the measured time.
// The ring is small, so that it stays in the first cache as a single policy would.
const (
	ringSize      = 16
	perPolicy     = 1 << perPolicyBits
	ringSpan      = ringSize * perPolicy
	successes     = 80 // these earn eight retries
	ringMask      = ringSize - 1
	perPolicyBits = 3 // perPolicy is 1 << perPolicyBits
)

// ringOf makes the members of a ring.
func ringOf[T any](make func() T) (r [ringSize]T) {
	for i := range r {
		r[i] = make()
	}
	return r
}

// at returns the member for the ith operation of a span.
func at(i int) int { return i >> perPolicyBits & ringMask }
