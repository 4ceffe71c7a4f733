package main

import (
	"strings"
	"testing"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

func TestCheck_RefusesWhatIsNoSentenceAboutTheName(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		wrong  string // "" for none
	}{
		"a verb":           {"// Run calls f.\nfunc Run() {}", ""},
		"no comment":       {"func Run() {}", ""},
		"another name":     {"// It calls f.\nfunc Run() {}", "does not begin with Run"},
		"unexported":       {"// It calls f.\nfunc run() {}", ""},
		"a riddle":         {"// run is what calls f.\nfunc run() {}", "riddle"},
		"a noun":           {"// Run is the caller of f.\nfunc Run() {}", "noun"},
		"a type's noun":    {"// Runner is a caller of f.\ntype Runner int", ""},
		"a type's article": {"// A Runner calls f.\ntype Runner int", ""},
		"a type's riddle":  {"// Runner is how f is called.\ntype Runner int", "riddle"},
		"passive":          {"// Run is called by f.\nfunc Run() {}", ""},
		"a picture":        {"// Run heeds f.\nfunc Run() {}", "picture"},
		"a picture's name": {"func heed() {}", "named by a picture"},
		"100 columns":      {"// Run calls " + strings.Repeat("f", 87) + "\nfunc Run() {}", "longer"},
		"99 columns":       {"// Run calls " + strings.Repeat("f", 86) + "\nfunc Run() {}", ""},
		"a tab":            {"func run() {\n\t// " + strings.Repeat("f ", 47) + "\n}", "longer"},
		"after code":       {"const a = 1 // " + strings.Repeat("f ", 60), ""},
		"an output":        {"func run() {\n\t// Output: " + strings.Repeat("f ", 60) + "\n\t// " + strings.Repeat("f ", 60) + "\n}", ""},
		"a list in code":   {"// Run calls f:\n//\n//\ta\n//\n//\t  - f\nfunc Run() {}", "list in a code block"},
		"a list":           {"// Run calls f:\n//\n//   - f\nfunc Run() {}", ""},
		"an address":       {"// See https://" + strings.Repeat("f", 100) + " there.\nconst a = 1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := gofiles.Parse("p.go", []byte("package p\n\n"+c.source+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			check(f)
			switch text := strings.Join(f.Faults, "\n"); {
			case c.wrong == "" && text != "":
				t.Errorf("refused: %s", text)
			case c.wrong != "" && (len(f.Faults) != 1 || !strings.Contains(text, c.wrong)):
				t.Errorf("want one fault with %q, got %q", c.wrong, text)
			}
		})
	}
}

func TestCheck_ExemptsTestsFromNames(t *testing.T) {
	f, err := gofiles.Parse("p_test.go", []byte("package p\n\n// It is fine.\nfunc TestX() {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	check(f)
	if len(f.Faults) > 0 {
		t.Errorf("refused: %q", f.Faults)
	}
}
