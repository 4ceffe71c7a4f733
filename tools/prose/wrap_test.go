package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

func TestWrap_WrapsLongParagraphsOnly(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 25))
	short := strings.TrimSpace(strings.Repeat("word ", 19))
	rest := strings.TrimSpace(strings.Repeat("word ", 6))
	const code = "\nfunc f() {}\n"
	for name, c := range map[string]struct{ source, want string }{
		"a paragraph":         {"// f " + long + "\n// word" + code, "// f " + short + "\n// " + rest + " word" + code},
		"one that is short":   {"// f\n// word" + code, ""},
		"the one after it":    {"// f " + long + "\n//\n// a\n// b" + code, "// f " + short + "\n// " + rest + "\n//\n// a\n// b" + code},
		"code":                {"// f:\n//\n//\t" + long + code, ""},
		"a list":              {"// f:\n//\n//   - " + long + code, ""},
		"an example's output": {"func g() {\n\t// Output: " + long + "\n\t// " + long + "\n}\n", ""},
		"behind code":         {"var f = 1 // " + long + "\n", ""},
		"within a function": {
			"func g() {\n\t// " + long + "\n\tf()\n}\n", "func g() {\n\t// " + short[5:] + "\n\t// word " + rest + "\n\tf()\n}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.go")
			source := "package p\n\n" + c.source
			if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := gofiles.Parse(path, []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			if err := wrap(f); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := "package p\n\n" + c.want
			if c.want == "" {
				want = source
			}
			if string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
