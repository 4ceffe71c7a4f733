package deploy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const outage = time.Minute // when it begins

// Before an outage nothing has failed, so that the series of failures do not exist yet, or one
// attempt in a hundred has.
func TestAlerts_InAnOutageThePageComesWithin30Seconds(t *testing.T) {
	for name, before := range map[string]float64{"nothing failed before": 0, "something had failed before": 0.01} {
		for _, rate := range []int{2, 50} {
			t.Run(name, func(t *testing.T) {
				l := load{perSecond: rate, lasts: 10 * time.Minute, fails: func(at time.Duration) float64 {
					if at < outage {
						return before
					}
					return 1
				}}
				fired := evaluate(t, l.run(t))
				require.Contains(t, fired, "EvenkeelDestinationDown")
				require.GreaterOrEqual(t, fired["EvenkeelDestinationDown"], outage)
				require.LessOrEqual(t, fired["EvenkeelDestinationDown"], outage+30*time.Second)
				require.Contains(t, fired, "EvenkeelRetriesRefused")
				require.Contains(t, fired, "EvenkeelBudgetLow")
				require.NotContains(t, fired, "EvenkeelAmplification", "the budget sees to that")
			})
		}
	}
}

func TestAlerts_AnHourAt5PercentFailuresIsSilent(t *testing.T) {
	for _, rate := range []int{2, 20} {
		l := load{perSecond: rate, lasts: time.Hour, fails: func(time.Duration) float64 { return 0.05 }}
		require.Empty(t, evaluate(t, l.run(t)), "%d calls/s", rate)
	}
}

func TestAlerts_APartialOutagePagesToo(t *testing.T) {
	l := load{perSecond: 20, lasts: 5 * time.Minute, fails: func(at time.Duration) float64 {
		if at < outage {
			return 0.01
		}
		return 0.5
	}}
	fired := evaluate(t, l.run(t))
	require.Contains(t, fired, "EvenkeelDestinationDown")
	require.LessOrEqual(t, fired["EvenkeelDestinationDown"], outage+time.Minute)
}

func TestAlerts_EachHasAnEntryInTheRunbook(t *testing.T) {
	book, err := os.ReadFile("../docs/runbook.md")
	require.NoError(t, err)
	headings := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(book), -1) {
		headings[strings.ToLower(strings.ReplaceAll(h[1], " ", "-"))] = true
	}
	for _, r := range rulesOf(t) {
		anchor, ok := strings.CutPrefix(r.Annotations["runbook"], "docs/runbook.md#")
		require.True(t, ok, r.Alert)
		require.True(t, headings[anchor], "%s: no heading %q", r.Alert, anchor)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
	}
}
