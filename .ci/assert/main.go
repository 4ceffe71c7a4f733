// Assert reads the JSON of `go run ./bench -quick -run 'retry-budget|outage|live' -json -` from
// standard input and compares it with what evenkeel promises and with what others published. It
// prints every figure that is off, and every row that is missing, and ends with status 1 if there
// is one.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// row is one row of a bench experiment.
type row struct {
	Experiment string
	Policy     string
	Params     map[string]any
	Metrics    map[string]*float64 // null: never
}

// check is a condition on one figure: at least low and at most high.
type check struct {
	experiment, policy string
	params             map[string]any
	metric             string
	low, high          float64
}

func main() {
	checks := append(promises(), published()...)
	failures, err := failed(os.Stdin, checks)
	if err != nil {
		fmt.Fprintln(os.Stderr, "assert:", err)
		os.Exit(1)
	}
	for _, failure := range failures {
		fmt.Fprintln(os.Stderr, "assert:", failure)
	}
	fmt.Printf("%d of %d figures hold\n", len(checks)-len(failures), len(checks))
	if len(failures) > 0 {
		os.Exit(1)
	}
}

// failed returns the checks that do not hold for the rows of in.
func failed(in io.Reader, checks []check) ([]string, error) {
	var rows []row
	if err := json.NewDecoder(in).Decode(&rows); err != nil {
		return nil, fmt.Errorf("bench's JSON: %w", err)
	}
	var failures []string
	for _, c := range checks {
		value, err := c.find(rows)
		switch {
		case err != nil:
			failures = append(failures, fmt.Sprintf("%v: %v", c, err))
		case !(c.low <= value && value <= c.high): // negated, so that a NaN fails
			failures = append(failures, fmt.Sprintf("%v: %.4f, want %s", c, value, c.want()))
		}
	}
	slices.Sort(failures) // the checks come in the order of a map
	return failures, nil
}

// find returns the checked figure, which exactly one row must have.
func (c check) find(rows []row) (float64, error) {
	var found []row
	for _, r := range rows {
		if r.Experiment == c.experiment && r.Policy == c.policy && c.matches(r.Params) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d rows, want 1", len(found))
	}
	value := found[0].Metrics[c.metric]
	if value == nil {
		return 0, errors.New("the row has no figure for it")
	}
	return *value, nil
}

// matches allows a row more params than the check names.
func (c check) matches(params map[string]any) bool {
	for name, want := range c.params {
		if params[name] != want {
			return false
		}
	}
	return true
}

func (c check) String() string {
	return fmt.Sprintf("%s %s %v %s", c.experiment, c.policy, c.params, c.metric)
}

func (c check) want() string {
	switch {
	case math.IsInf(c.high, 1):
		return fmt.Sprintf("at least %.4f", c.low)
	case c.low == 0:
		return fmt.Sprintf("at most %.4f", c.high)
	}
	return fmt.Sprintf("%.4f to %.4f", c.low, c.high)
}
