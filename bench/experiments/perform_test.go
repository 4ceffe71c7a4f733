package experiments

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lasting returns an experiment of some cells, which take so long each.
func lasting(name string, alone bool, cells int, takes time.Duration) Experiment {
	return Experiment{Name: name, Alone: alone, Run: func(o Options) ([]Row, error) {
		return o.Each(cells, func(int) (Row, error) {
			time.Sleep(takes)
			return Row{Policy: name}, nil
		})
	}}
}

func names(all []Performed) (names []string) {
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}

func TestPerform_ReportsEachWhenDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var order []string
		var at []time.Duration
		all := Perform(t.Context(), []Experiment{
			lasting("alone", true, 2, time.Second), lasting("a", false, 4, time.Second), lasting("b", false, 2, 10*time.Second),
			lasting("c", false, 2, time.Second),
		}, Options{Workers: 2}, func(p Performed) {
			order, at = append(order, p.Name), append(at, time.Since(begun))
			require.Equal(t, p.Name, p.Rows[0].Policy)
		})
		require.Equal(t, []string{"a", "b", "c", "alone"}, order, "in their order, and last what must be alone")
		require.Equal(t, order, names(all))
		require.Equal(t, []time.Duration{2 * time.Second, 12 * time.Second, 13 * time.Second, 14 * time.Second}, at)
	})
}

func TestPerform_InterruptKeepsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var order []string
		all := Perform(ctx, []Experiment{
			lasting("a", false, 1, time.Second), lasting("long", false, 1, time.Hour), lasting("c", false, 1, time.Minute),
			lasting("d", false, 9, time.Minute), lasting("alone", true, 1, time.Second),
		}, Options{Workers: 2}, func(p Performed) { order = append(order, p.Name) })
		require.Equal(t, []string{"a", "c"}, order, "what waited for its turn to be printed, too")
		require.Equal(t, order, names(all))
		time.Sleep(2 * time.Hour) // what had begun ends, and nothing else begins
	})
}

func TestPerform_ErrorIsResult(t *testing.T) {
	bad := Experiment{Name: "bad", Run: func(Options) ([]Row, error) { return nil, errors.New("no luck") }}
	all := Perform(t.Context(), []Experiment{bad, lasting("a", false, 0, 0)}, Options{Workers: 1}, func(Performed) {})
	require.Equal(t, []string{"bad", "a"}, names(all))
	require.EqualError(t, all[0].Err, "no luck")
}
