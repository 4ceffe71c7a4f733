package budget_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
)

func TestKind_NamesAreThoseOfLogsAndMetrics(t *testing.T) {
	for k, want := range map[budget.Kind]string{
		budget.First: "first", budget.Retry: "retry", budget.Hedge: "hedge", budget.Hedge + 1: "unknown", 255: "unknown",
	} {
		require.Equal(t, want, k.String())
	}
}
