package serve_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

func TestBudgets_OnePerKey(t *testing.T) {
	b := serve.NewBudgets("", budget.Fleet{Open: 1})
	require.True(t, b.Of("a").Fail())
	require.False(t, b.Of("a").Fail())
	require.True(t, b.Of("b").Fail())
	long := strings.Repeat("x", 256)
	require.Same(t, b.Of(long+"1"), b.Of(long+"2"))
}

func TestBudgets_ForgottenKeyGainsNothing(t *testing.T) {
	b := serve.NewBudgets("", budget.Fleet{Open: 1})
	grants := 0
	for range 3 {
		for i := range 3000 {
			if b.Of(strconv.Itoa(i)).Fail() {
				grants++
			}
		}
	}
	require.LessOrEqual(t, grants, 3000)
}
