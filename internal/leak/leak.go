// Package leak finds goroutines that tests leave behind. It is goleak with more patience: goleak
// waits for less than half a second, and on a busy machine a goroutine that has nothing left to do
// may take longer to end.
package leak

import (
	"testing"

	"go.uber.org/goleak"
)

// tries is the number of goleak's checks, of half a second each.
const tries = 100

// Main runs a package's tests, and fails if they leave goroutines behind.
func Main(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

type patient struct{ *testing.M }

// Run implements goleak.TestingM.
func (p patient) Run() int {
	code := p.M.Run()
	if code == 0 {
		wait()
	}
	return code
}

// Check returns what fails a test if it leaves goroutines behind that are not there now. Defer
// what it returns.
func Check(t *testing.T) func() {
	before := goleak.IgnoreCurrent()
	return func() {
		t.Helper()
		wait(before)
		goleak.VerifyNone(t, before)
	}
}

func wait(opts ...goleak.Option) {
	for range tries {
		if goleak.Find(opts...) == nil {
			return
		}
	}
}
