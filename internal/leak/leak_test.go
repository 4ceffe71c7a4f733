package leak_test

import (
	"testing"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Twice as long as goleak alone would wait.
func TestLeak_AllowsOneSecondToEnd(t *testing.T) {
	defer leak.Check(t)()
	go time.Sleep(time.Second)
}
