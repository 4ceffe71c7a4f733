package retry

// Reload returns a policy with new rules that continues with p's state: each destination that p
// knows keeps its budget and its latency estimate if their Specs have not changed, so that a
// reload in the middle of an outage does not refill every budget. p is unchanged, and shares the
// state that was kept with the new policy. Options of p stay in force unless given again. To swap
// policies in a running program, keep the current one in an atomic.Pointer.
func (p *Policy) Reload(cfg Config, opts ...Option) (*Policy, error) {
	return build(cfg, p, opts)
}
