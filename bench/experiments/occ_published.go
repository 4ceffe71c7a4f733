package experiments

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

//go:embed published/occ.csv
var occCSV string

// occTrials is how many runs each published figure is the mean of.
const occTrials = 200

// occPublished is a line of what was published.
type occPublished struct{ calls, callsSD, time, timeSD float64 }

var occAlgorithms = map[string]string{
	"None": "none", "Exponential": "exponential", "EqualJitter": "equal", "FullJitter": "full", "Decorr": "decorrelated",
}

// readOCC returns the published figures by occKey.
func readOCC() (map[string]occPublished, error) {
	r := csv.NewReader(strings.NewReader(occCSV))
	r.Comment = '#'
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("occ.csv: %w", err)
	}
	published := map[string]occPublished{}
	for _, line := range lines[1:] { // clients, algorithm, calls, calls_sd, time, time_sd, trials
		clients, err := strconv.Atoi(line[0])
		if err != nil {
			return nil, fmt.Errorf("occ.csv: %w", err)
		}
		var v [4]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(line[2+i], 64); err != nil {
				return nil, fmt.Errorf("occ.csv: %w", err)
			}
		}
		published[occKey(clients, occAlgorithms[line[1]])] = occPublished{v[0], v[1], v[2], v[3]}
	}
	return published, nil
}
