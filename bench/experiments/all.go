package experiments

// All are the experiments, in the order of the report.
var All = []Experiment{
	outage,
	retryBudget,
	stack,
	metastable,
	brownout,
	spike,
	occ,
	hedge,
	hedgeFanout,
	together,
	replicas,
	busy,
	limits,
	fleetBudget,
	overload,
	loop,
	hints,
	playgroundRuns,
	liveServers,
	stackLive,
	replicasLive,
	scale,
}
