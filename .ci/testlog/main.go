// Testlog reads `go test -json` from standard input and prints what `go test` prints without -v,
// plus a list of the tests that were skipped, so that a missing proxy cannot pass for a tested
// one. Its status is no verdict on the tests: the status of go test is.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go doc test2json`, or of `go help buildjson`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	type test struct{ pkg, name string }
	output := map[test]*strings.Builder{}
	var skipped []string
	events := 0
	for decoder := json.NewDecoder(in); ; events++ {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("event %d: %w", events+1, err)
		}
		at := test{e.Package, e.Test}
		switch {
		case e.Action == "build-output", e.Action == "output" && e.Test == "" && e.Output != "PASS\n":
			fmt.Fprint(out, e.Output)
		case e.Action == "output":
			if output[at] == nil {
				output[at] = &strings.Builder{}
			}
			output[at].WriteString(e.Output)
		case e.Action == "fail" && output[at] != nil:
			fmt.Fprint(out, output[at])
			delete(output, at)
		case e.Action == "skip" && e.Test != "":
			skipped = append(skipped, e.Package+" "+e.Test+": "+reason(output[at]))
			delete(output, at)
		case e.Action == "pass":
			delete(output, at)
		}
	}
	// A panic or a timeout ends a package without an end of its tests.
	for at, text := range output {
		fmt.Fprintf(out, "unfinished: %s %s\n%s", at.pkg, at.name, text)
	}
	fmt.Fprintf(out, "skipped: %d\n", len(skipped))
	for _, line := range skipped {
		fmt.Fprintln(out, "  "+line)
	}
	if events == 0 {
		return errors.New("no event on standard input")
	}
	return nil
}

// reason returns the message of a skipped test: its output without the lines that go test itself
// adds.
func reason(text *strings.Builder) string {
	if text == nil {
		return ""
	}
	var said []string
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "--- SKIP") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
