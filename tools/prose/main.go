// Prose reports comments that are not written as the standard library's are:
//
//	go -C tools run ./prose              # every package of the module
//	go -C tools run ./prose budget call  # some
//	go -C tools run ./prose -w           # wraps the comments that are too long
//
// A doc comment of an exported function, method or type begins with its name (after A, An or The
// for a type) and a verb. No comment line is longer than 99 columns, a tab counting four. No list
// is in a code block, as one becomes that follows it without text in between. Words that name a
// picture instead of an act ("heeds", "rang") are refused in doc comments, and as the names of
// functions.
package main

import (
	"flag"
	"go/ast"
	"regexp"
	"strings"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

const columns = 99

var (
	// riddle matches "X is what", "X has why", "X is that of": no verb that says what X does.
	riddle = regexp.MustCompile(`^\S+ (is|are|has) (what|which|whether|why|how|when|where|who|whom|that of)\b`)
	// noun matches "X is the share…", which says of a function what it returns and not that it
	// does.
	noun = regexp.MustCompile(`^\S+ (is|are|was|were) `)
	// passive matches "X is like Y", "X is called by Y", which the standard library has too.
	passive = regexp.MustCompile(`^\S+ (is|are|was|were) (like|as|not|safe|[a-z]+ed|run|sent)\b`)
	// item matches what gofmt makes of a list's item that it takes for code.
	item = regexp.MustCompile(`^//\t[ \t]*- `)
	// dramatic matches the names of functions that no standard library would use.
	dramatic = regexp.MustCompile(`^(heeds?|rang|came|mends?|tells?|told|says?)$`)
	// picture matches dramatized verbs after the name.
	picture = regexp.MustCompile(`^\S+ (tells|heeds|rang|rings|came|comes|mends|looks|says|takes)\b`)
)

func main() {
	write := flag.Bool("w", false, "wrap the comments that are too long")
	flag.Parse()
	gofiles.Main(func(f *gofiles.File) error {
		if *write {
			return wrap(f)
		}
		check(f)
		return nil
	})
}

func check(f *gofiles.File) {
	lines := strings.Split(string(f.Source), "\n")
	for _, group := range f.Tree.Comments {
		for _, c := range group.List {
			if isOutput(c.Text) {
				break
			}
			if line := lines[f.Line(c.Pos())-1]; isLong(line, c.Text) {
				f.Report(f.Line(c.Pos()), "longer than %d columns", columns)
			}
			if item.MatchString(c.Text) {
				f.Report(f.Line(c.Pos()), "a list in a code block: text has to stand between them")
			}
		}
	}
	for _, decl := range f.Tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if dramatic.MatchString(d.Name.Name) {
				f.Report(f.Line(d.Pos()), "%s is named by a picture", d.Name.Name)
			}
			if fault := begins(d.Doc.Text(), d.Name.Name, d.Name.IsExported() && !f.IsTest(), false); fault != "" {
				f.Report(f.Line(d.Pos()), "%s", fault)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				t, ok := s.(*ast.TypeSpec)
				if !ok {
					continue
				}
				doc := t.Doc
				if doc == nil && len(d.Specs) == 1 {
					doc = d.Doc
				}
				if fault := begins(doc.Text(), t.Name.Name, t.Name.IsExported() && !f.IsTest(), true); fault != "" {
					f.Report(f.Line(t.Pos()), "%s", fault)
				}
			}
		}
	}
}

// isOutput reports whether a comment line begins the output of an example, which cannot be
// wrapped.
func isOutput(comment string) bool {
	text := strings.ToLower(strings.TrimLeft(comment, "/ "))
	return strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")
}

// isLong reports whether a line that is a comment alone is too long. Directives and addresses
// cannot be wrapped.
func isLong(line, comment string) bool {
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "//") || strings.HasPrefix(text, "//go:") || strings.HasPrefix(text, "//nolint") {
		return false
	}
	wraps := strings.Contains(strings.TrimSpace(strings.TrimLeft(comment, "/")), " ")
	fixed := strings.HasPrefix(comment, "//\t") || strings.Contains(comment, "://")
	return wraps && !fixed && width(line) > columns
}

// begins returns what is wrong with how a doc comment begins, or "".
func begins(doc, name string, exported, isType bool) string {
	switch {
	case doc == "":
		return ""
	case riddle.MatchString(doc):
		return "begins with a riddle: " + first(doc)
	case picture.MatchString(doc):
		return "begins with a picture: " + first(doc)
	case !isType && strings.HasPrefix(doc, name) && noun.MatchString(doc) && !passive.MatchString(doc):
		return "begins with a noun: " + first(doc)
	case !exported:
		return ""
	}
	words := strings.Fields(doc)
	if isType && len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	if words[0] == name || words[0] == "Deprecated:" {
		return ""
	}
	return "does not begin with " + name + ": " + first(doc)
}

func first(doc string) string {
	line, _, _ := strings.Cut(doc, "\n")
	return line
}
