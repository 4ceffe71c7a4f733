package backoff

import (
	"fmt"
	"math/bits"
	"time"
)

// Phase returns the place of key within period, from 0 up to but not including period. The same
// key and period give the same place in every process and every version of this package, and keys
// are spread evenly. With a host's name as the key, each host of a fleet gets its own slot for
// periodic work, and the time of its runs is known in advance; with the name of the work in it
// too, as in "host7/refresh", different work of one host gets different slots. It panics if
// period is not above 0.
func Phase(key string, period time.Duration) time.Duration {
	if period <= 0 {
		panic(fmt.Sprintf("backoff.Phase: period: must be above 0, not %v", period))
	}
	place, _ := bits.Mul64(hash(key), uint64(period)) // the hash as a fraction of 2^64, times period
	return time.Duration(place)
}

// hash computes FNV-1a, 64 bits, and the finalizer of MurmurHash3 over it: FNV alone leaves the
// high bits of short keys that differ in their last characters, such as host1 and host2, almost
// equal.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
