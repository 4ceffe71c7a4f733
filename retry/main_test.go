package retry_test

import (
	"testing"

	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	transient  = retry.Outcome{Class: retry.Transient}
	handedBack = retry.Outcome{Class: retry.Unprocessed, Alive: true}
)
