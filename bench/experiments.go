package main

// experiments is all there is, in the order of the report.
var experiments = []Experiment{}
