// Package experiments holds what bench runs: each file is one question asked of the simulator, of
// real servers on the loopback interface, or of the machine, with what others have published of
// it.
//
// A new one is a file with a variable of type [Experiment], a line in [All], and, unless a row of
// dots for each metric will do, a view in views.go that says how its charts are drawn.
package experiments
