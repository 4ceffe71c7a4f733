package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// testCase is one thing that went wrong in a published library.
type testCase struct {
	name string
	// run returns nil if the library does it right, notApplicable if it has no such feature, and
	// else what it did.
	run func(l *library) error
	// alone says that nothing else may run beside it.
	alone bool
}

// notApplicable states the reason why a case cannot be run against a library.
type notApplicable string

func (n notApplicable) Error() string { return string(n) }

// caseTime bounds a case: what takes longer hangs.
const caseTime = 30 * time.Second

// finding holds the result of a case with one library.
type finding struct {
	Case    string `json:"case"`
	Library string `json:"library"`
	Result  string `json:"result"` // pass, fail or n.a.
	Reason  string `json:"reason,omitempty"`
}

func (c testCase) against(l *library) finding {
	f := finding{Case: c.name, Library: l.name, Result: "pass"}
	err := within(caseTime, func() error { return c.run(l) })
	var na notApplicable
	switch {
	case errors.As(err, &na):
		f.Result, f.Reason = "n.a.", na.Error()
	case err != nil:
		f.Result, f.Reason = "fail", err.Error()
	}
	return f
}

// within runs f on a goroutine of its own. If it hangs, it is left behind.
func within(d time.Duration, f func() error) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panicked: %v", p)
			}
		}()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(d):
		return fmt.Errorf("hung for %v", d)
	}
}

// cases returns all cases, in the order of the table.
func cases() []testCase {
	return slices.Concat(bodyCases(), outcomeCases(), timingCases(), hedgeCases(), grpcCases(), resourceCases(),
		h2Cases(), endingCases(), shadowCases())
}

// tryAll runs each case against all libraries, side by side unless it measures the process.
func tryAll(only *regexp.Regexp) (all []finding) {
	for _, c := range cases() {
		if !only.MatchString(c.name) {
			continue
		}
		found := make([]finding, len(libraries()))
		var wg sync.WaitGroup
		for i, l := range libraries() {
			run := func() { found[i] = c.against(l) }
			if c.measuresProcess() {
				run()
			} else {
				wg.Go(run)
			}
		}
		wg.Wait()
		all = append(all, found...)
	}
	return all
}

// measuresProcess reports that nothing else may run beside the case.
func (c testCase) measuresProcess() bool { return c.alone || strings.Contains(c.name, "10,000 calls") }

func runCases(f flags, out io.Writer) error {
	found := tryAll(f.only)
	if len(found) == 0 {
		return fmt.Errorf("no case matches %q", f.only)
	}
	printVersions(out)
	printFindings(out, found)
	return errors.Join(save(f.json, found), recordCases(f, found))
}

// printFindings writes a Markdown table, and below it the reason for everything that is not a
// pass.
func printFindings(out io.Writer, found []finding) {
	names := []string{"case"}
	for _, l := range libraries() {
		names = append(names, l.name)
	}
	fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat(" - |", len(names)))
	n := len(libraries())
	for line := range slices.Chunk(found, n) {
		cells := []string{line[0].Case}
		for _, f := range line {
			cells = append(cells, mark(f.Result))
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Fprintf(out, "| **passed of applicable** | %s |\n", strings.Join(score(found, n), " | "))
	for line := range slices.Chunk(found, n) {
		fmt.Fprintf(out, "\n%s\n", line[0].Case)
		printReasons(out, line)
	}
}

// printReasons names all libraries with the same reason together.
func printReasons(out io.Writer, line []finding) {
	type key struct{ result, reason string }
	var keys []key
	names := map[key][]string{}
	for _, f := range line {
		k := key{f.Result, f.Reason}
		if f.Result == "pass" {
			continue
		}
		if names[k] == nil {
			keys = append(keys, k)
		}
		names[k] = append(names[k], f.Library)
	}
	for _, k := range keys {
		fmt.Fprintf(out, "  %s: %s: %s\n", k.result, strings.Join(names[k], ", "), k.reason)
	}
}

func mark(result string) string {
	if result == "fail" {
		return "**fail**"
	}
	return result
}

func score(found []finding, n int) []string {
	passed, of := make([]int, n), make([]int, n)
	for line := range slices.Chunk(found, n) {
		for i, f := range line {
			if f.Result == "n.a." {
				continue
			}
			of[i]++
			if f.Result == "pass" {
				passed[i]++
			}
		}
	}
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%d of %d", passed[i], of[i])
	}
	return out
}
