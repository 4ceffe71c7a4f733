package main

import (
	"strings"
	"testing"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

func TestCheck_RefusesWhatIsLongOrUnsafe(t *testing.T) {
	function := func(lines int) string { return "func f() {\n" + strings.Repeat("\t_ = 1\n", lines-2) + "}\n" }
	for name, c := range map[string]struct {
		file, source string
		wrong        string // "" for none
	}{
		"a function of 60 lines":         {"p.go", function(60), ""},
		"a function of 61 lines":         {"p.go", function(61), "f has 61 lines"},
		"a test of 61 lines":             {"p_test.go", function(61), "f has 61 lines"},
		"a comment above it":             {"p.go", strings.Repeat("// f\n", 9) + function(60), ""},
		"a file of 400 lines":            {"p.go", strings.Repeat("var _ = 1\n", 398), ""},
		"a file of 401 lines":            {"p.go", strings.Repeat("var _ = 1\n", 399), "the file has 401 lines"},
		"a test file of 401 lines":       {"p_test.go", strings.Repeat("var _ = 1\n", 399), ""},
		"unsafe":                         {"p.go", "import \"unsafe\"\n", "imports unsafe"},
		"unsafe in a test":               {"p_test.go", "import \"unsafe\"\n", ""},
		"a linkname":                     {"p.go", "//go:linkname f g\nfunc f()\n", "go:linkname"},
		"a noinline":                     {"p.go", "//go:noinline\nfunc f() {}\n", "go:noinline"},
		"a comment that names noinline":  {"p.go", "// f has no go:noinline.\nfunc f() {}\n", ""},
		"another directive is no matter": {"p.go", "//go:generate true\nfunc f() {}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := gofiles.Parse(c.file, []byte("package p\n\n"+c.source))
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
