package fleet

import "math/rand/v2"

// newRand returns one run's random numbers: all of them come from its seed.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6576656e6b65656c)) }
