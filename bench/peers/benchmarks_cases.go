package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// caseTable writes which library passes which case.
func (r *results) caseTable(b *strings.Builder) {
	fmt.Fprintf(b, "## Cases\n\n%d cases, each something that went wrong in a published library or in an earlier evenkeel, against every\n"+
		"library that can do the job at all. `go -C bench/peers run . -cases` prints the reason of each failure. ✓ passes, ✗ fails, empty:\n"+
		"it has no such feature.\n\n", len(r.Cases))
	columns := []string{"case"}
	for _, v := range r.Versions {
		columns = append(columns, v.Library)
	}
	table := newMarkdown(columns...)
	total := []string{"**passed of applicable**"}
	for i := range r.Versions {
		passed, of := r.score(i)
		total = append(total, fmt.Sprintf("**%d of %d**", passed, of))
	}
	table.add(total...)
	for _, c := range r.Cases {
		cells := []string{c.Name}
		for _, result := range c.Results {
			cells = append(cells, map[string]string{"pass": "✓", "fail": "✗"}[result])
		}
		table.add(cells...)
	}
	b.WriteString(table.String() + "\n")
}

// score returns how many cases the ith library passes.
func (r *results) score(i int) (passed, of int) {
	for _, c := range r.Cases {
		switch c.Results[i] {
		case "pass":
			passed, of = passed+1, of+1
		case "fail":
			of++
		}
	}
	return passed, of
}

// lawCases are the laws of docs/architecture.md, and the cases that show whether a library keeps
// them.
var lawCases = map[int][]string{
	2: {"the budget holds with 256 goroutines and 100 % failures"},
	3: {"jitter is still present at the cap", "attempts 1 to 10^6 of a backoff: no delay is negative or above its cap"},
	4: {
		"a wait that would pass the deadline: return at once, with the last error", "the same over HTTP: the response, at once",
		"a context that has ended reaches no server",
	},
	5: {
		"cancelled with a cause: the error is context.Canceled and the cause",
		"an attempt timeout over HTTP/2 is a timeout and no cancellation",
	},
	6: {
		"a POST without a key is sent once, whatever the 500", "gRPC: a lost reply is not taken for UNAVAILABLE by the server",
		"hedging: each attempt of a POST reads its own copy of the body",
	},
	7: {
		"the caller's request is the same afterwards", "503, 503, 200 need one connection",
		"an error body that stalls does not stall the retry", "20 answers of 503 that say gzip and stall leave no connection behind",
	},
	8: {
		"hedging: a fast 503 and a slower 200: the 200 wins", "hedging: a DELETE is not answered by the 404 that its own hedge got",
		"hedging: a hedge that fails on our own side does not beat the attempt under way",
	},
	9: {"hedging: the loser that answers late is closed"},
	10: {
		"Retry-After: 1 is waited for, after a 429 and a 503", "Retry-After: 0 or in the past still waits our own backoff",
		"gRPC: a pushback of 300 ms is waited for",
	},
	11: {"a Do around HTTP requests, of the same library, does not multiply its retries"},
}

// unlimited reports whether a library, as it is used here, has no budget over all calls.
func unlimited(library string) bool {
	name, variant, _ := strings.Cut(library, ", ")
	if variant == "budget" || variant == "throttle" || variant == "inside" {
		return false
	}
	return name != evenkeel && name != awsLibrary.name
}

// skips returns the laws that a library skips: those of which it fails a case, and the budget
// where it has none.
func (r *results) skips(library string) (laws []int) {
	name, _, _ := strings.Cut(library, ", ")
	at := slices.IndexFunc(r.Versions, func(v version) bool { return v.Library == name })
	if at < 0 {
		return nil
	}
	for law := 1; law <= 12; law++ {
		if law == 2 && unlimited(library) || r.failsAny(at, lawCases[law]) {
			laws = append(laws, law)
		}
	}
	return laws
}

func (r *results) failsAny(library int, names []string) bool {
	for _, c := range r.Cases {
		if slices.Contains(names, c.Name) && library < len(c.Results) && c.Results[library] == "fail" {
			return true
		}
	}
	return false
}

// skippedBy returns the laws that the peer of a bar skips, for bars that compare with a peer.
func (r *results) skippedBy(b recordedBar) string {
	if b.Kind != overBest && b.Kind != overFree && b.Kind != heldBest {
		return ""
	}
	return joined(r.skips(last(b.Than)))
}

func joined(laws []int) string {
	var texts []string
	for _, law := range laws {
		texts = append(texts, strconv.Itoa(law))
	}
	return strings.Join(texts, ", ")
}

func (r *results) lawTable(b *strings.Builder) {
	b.WriteString("## Laws that peers skip\n\n" +
		"The numbers are those of the [laws](architecture.md#laws). A library skips a law here if it fails one of the cases that\n" +
		"belong to it, or, for law 2, if its retries have no budget over all calls. Work that is not done costs nothing: a row of\n" +
		"such a peer is quicker by that.\n\n")
	table := newMarkdown("library", "laws")
	for _, v := range r.Versions {
		if v.Library != evenkeel {
			table.add(v.Library, joined(r.skips(v.Library)))
		}
	}
	b.WriteString(table.String())
}
