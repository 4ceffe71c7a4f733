package httpx

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/retry"
)

// hosts is a small cache in front of Policy.For, which looks into a map: most clients talk to few hosts.
type hosts [16]atomic.Pointer[host]

type host struct {
	rules  *retry.Policy
	name   string
	policy *retry.Policy
}

// get is p.For(name).
func (h *hosts) get(p *retry.Policy, name string) *retry.Policy {
	if len(name) == 0 {
		return p.For(name)
	}
	slot := &h[(uint(len(name))+uint(name[0])+uint(name[len(name)-1]))%uint(len(h))]
	if e := slot.Load(); e != nil && e.rules == p && e.name == name && e.policy.Touch() {
		return e.policy
	}
	return miss(slot, p, name)
}

// miss takes a slot that is in use only now and then, so that hosts that share it do not allocate on each call.
func miss(slot *atomic.Pointer[host], p *retry.Policy, name string) *retry.Policy {
	policy := p.For(name)
	if e := slot.Load(); e == nil || e.rules == p && e.name == name || rand.Uint32()%16 == 0 {
		slot.Store(&host{p, name, policy})
	}
	return policy
}
