package experiments

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// headlineBudgets are the rows of the headline.
var headlineBudgets = []struct{ policy, name string }{
	{"retries-3", "none, 3 retries"}, {"aws-2026", "AWS SDK"}, {"grpc", "gRPC"}, {"evenkeel", "evenkeel"},
}

// headlineFailures is the share of attempts that fail in the headline's last column.
const headlineFailures = .1

// Headline writes what all the experiments come down to, and is done within seconds. Its figures
// are rows of outage and retry-budget.
func Headline(ctx context.Context, w io.Writer, o Options, width int) error {
	o.ctx, o.pool, o.experiment = ctx, newPool(o.Workers), outage.Name
	var names []string
	var policies []Policy
	for _, b := range headlineBudgets {
		policies, names = append(policies, policyNamed(b.policy)), append(names, b.name)
	}
	for _, user := range o.User {
		policies, names = append(policies, user), append(names, user.Name)
	}
	columns := len(outageClients) + 1
	rows, err := o.Each(len(policies)*columns, func(i int) (Row, error) {
		return headlineFigure(o, policies[i/columns], i%columns)
	})
	if err != nil {
		return err
	}
	t := table{keys: 1}
	head := []string{"retry budget"}
	for _, n := range outageClients {
		t.group(len(head))
		head = append(head, Count(float64(n)))
	}
	t.group(len(head))
	t.add(append(head, "success")...)
	for i, cells := range slices.Collect(slices.Chunk(rows, columns)) {
		line := []string{names[i]}
		for _, row := range cells[:columns-1] {
			line = append(line, Times(*row.Metrics["load"]))
		}
		t.add(append(line, Percent(*cells[columns-1].Metrics["success"])+" %")...)
	}
	lines(w, "load: attempts sent per call in the first ten seconds of a total outage, 1,000 calls/s from 1, 10, 100 or 1,000 "+
		fmt.Sprintf("processes; success: calls answered while one attempt in %.0f fails.", 1/headlineFailures), "", width)
	t.write(w, width)
	fmt.Fprintln(w)
	return nil
}

// headlineFigure returns one of the loads, or in the last column the success.
func headlineFigure(o Options, policy Policy, column int) (Row, error) {
	if column < len(outageClients) {
		load, err := outageLoad(o, policy, outageClients[column])
		return Row{Metrics: map[string]*float64{"load": &load}}, err
	}
	o.experiment = retryBudget.Name
	r, err := steadyFailures(o, policy, headlineFailures)
	if err != nil {
		return Row{}, err
	}
	return Row{Metrics: map[string]*float64{"success": new(r.Success())}}, nil
}
