package grpcx

// Policies gives methods policies of their own.
type Policies struct{}

type targetPolicies struct{}

func (ps *Policies) target(string) *targetPolicies { return nil }

func (t *targetPolicies) rule(string) *rule { return nil }
