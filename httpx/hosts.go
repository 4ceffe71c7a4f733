package httpx

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/retry"
)

// hosts is a small cache in front of Policy.For, which costs three times as much: most clients talk to few hosts.
type hosts [16]atomic.Pointer[host]

type host struct {
	rules  *retry.Policy
	name   string
	policy *retry.Policy
	used   atomic.Bool // since it was last looked up by For
}

// get is p.For(name).
func (h *hosts) get(p *retry.Policy, name string) *retry.Policy {
	if len(name) == 0 {
		return p.For(name)
	}
	slot := &h[(uint(len(name))+uint(name[0])+uint(name[len(name)-1]))%uint(len(h))]
	if e := slot.Load(); e != nil && e.rules == p && e.name == name {
		if !e.used.Load() { // a store each time would pull the line from core to core
			e.used.Store(true)
		}
		return e.policy
	}
	return h.miss(slot, p, name)
}

// miss is p.For(name), and now and then a bit of upkeep, so that clients of many hosts do not pay for it on each call.
func (h *hosts) miss(slot *atomic.Pointer[host], p *retry.Policy, name string) *retry.Policy {
	dice := rand.Uint32()
	if dice%4 == 0 {
		h.lookUp()
	}
	policy := p.For(name)
	if slot.Load() == nil || dice%16 == 0 {
		slot.Store(&host{rules: p, name: name, policy: policy})
	}
	return policy
}

// lookUp lets the policies know which hosts are in use: names that they have not met take the place of those that nobody
// asks them for, and come by a miss.
func (h *hosts) lookUp() {
	for i := range h {
		e := h[i].Load()
		if e == nil || !e.used.Load() {
			continue
		}
		e.used.Store(false)
		if p := e.rules.For(e.name); p != e.policy { // forgotten for the names that another user of the policy had
			h[i].CompareAndSwap(e, &host{rules: e.rules, name: e.name, policy: p})
		}
	}
}
