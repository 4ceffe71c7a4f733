package retry

// Reload makes a policy of new rules that goes on with p's state: each destination that p knows
// keeps its budget and what was learned of its latency as far as their Specs have not changed, so
// that a reload in the middle of an outage does not refill every budget. p stays as it is, and
// shares with the new policy what that kept. Options of p hold on unless given anew. To swap
// policies in a running program keep the current one in an atomic.Pointer.
func (p *Policy) Reload(cfg Config, opts ...Option) (*Policy, error) {
	return build(cfg, p, opts)
}
