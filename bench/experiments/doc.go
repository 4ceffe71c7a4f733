// Package experiments holds what bench runs: each file is one question asked of the simulator, of real servers on the
// loopback interface, or of the machine, with what others have published of it.
package experiments
