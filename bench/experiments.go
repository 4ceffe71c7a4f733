package main

// experiments is all there is, in the order of the report.
var experiments []Experiment

func init() { // parse's error names them all, which would be a cycle of initialisation
	experiments = []Experiment{
		retryBudget,
		outage,
		stack,
		metastable,
		brownout,
		spike,
		occ,
		hedge,
		hedgeFanout,
		busy,
		limits,
		live,
		stackLive,
		scale,
	}
}
