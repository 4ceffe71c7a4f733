// Prose reports comments that are not written as the standard library's are:
//
//	go -C tools run ./prose              # every package of the module
//	go -C tools run ./prose budget call  # some
//
// A doc comment of an exported function, method or type begins with its name (after A, An or The
// for a type) and a verb. No comment line is longer than 99 columns, a tab counting four. Words
// that name a picture instead of an act ("heeds", "rang") are refused in doc comments.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
	// picture matches dramatized verbs after the name.
	picture = regexp.MustCompile(`^\S+ (tells|heeds|rang|rings|came|comes|mends|looks|says|takes)\b`)
)

func main() {
	log.SetFlags(0)
	rooms := os.Args[1:]
	if len(rooms) == 0 {
		rooms = []string{"."}
	}
	var wrong []string
	for _, room := range rooms {
		found, err := check("..", room)
		if err != nil {
			log.Fatal(err)
		}
		wrong = append(wrong, found...)
	}
	if len(wrong) > 0 {
		log.Fatalf("%s\n%d comments to rewrite", strings.Join(wrong, "\n"), len(wrong))
	}
}

// check returns the faults of the files under a directory of the module at root.
func check(root, dir string) (wrong []string, err error) {
	err = filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := inFile(path, source)
		name, _ := filepath.Rel(root, path)
		for _, f := range found {
			wrong = append(wrong, filepath.ToSlash(name)+":"+f)
		}
		return err
	})
	return wrong, err
}

// inFile returns the faults of one file, each as "line: fault".
func inFile(path string, source []byte) (wrong []string, err error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(tree) {
		return nil, nil
	}
	report := func(at token.Pos, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%d: ", set.Position(at).Line)+fmt.Sprintf(format, args...))
	}
	lines := strings.Split(string(source), "\n")
	for _, group := range tree.Comments {
		for _, c := range group.List {
			if isOutput(c.Text) {
				break
			}
			if line := lines[set.Position(c.Pos()).Line-1]; isLong(line, c.Text) {
				report(c.Pos(), "longer than %d columns", columns)
			}
		}
	}
	for _, decl := range tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if fault := begins(d.Doc.Text(), d.Name.Name, d.Name.IsExported() && !isTest(path), false); fault != "" {
				report(d.Pos(), "%s", fault)
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
				if fault := begins(doc.Text(), t.Name.Name, t.Name.IsExported() && !isTest(path), true); fault != "" {
					report(t.Pos(), "%s", fault)
				}
			}
		}
	}
	return wrong, nil
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
	literal := strings.HasPrefix(comment, "//\t") || strings.Contains(comment, "://")
	return wraps && !literal && len([]rune(strings.ReplaceAll(line, "\t", "    "))) > columns
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }

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
