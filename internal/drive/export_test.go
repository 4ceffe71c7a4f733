package drive

// Timed is for tests.
var Timed = timed
