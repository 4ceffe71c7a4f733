// Size reports files and functions that are too long, and what the library does not use:
//
//	go -C tools run ./size               # the whole repository
//	go -C tools run ./size budget call   # some directories
//
// A file that is no test has at most 400 lines, a function at most 60. Only tests may import
// unsafe, or have a go:linkname or go:noinline directive.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileLines     = 400
	functionLines = 60
)

func main() {
	log.SetFlags(0)
	dirs := os.Args[1:]
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	var wrong []string
	for _, dir := range dirs {
		found, err := check("..", dir)
		if err != nil {
			log.Fatal(err)
		}
		wrong = append(wrong, found...)
	}
	if len(wrong) > 0 {
		log.Fatalf("%s\n%d faults", strings.Join(wrong, "\n"), len(wrong))
	}
}

// check returns the faults of the Go files under a directory of root.
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
	line := func(at token.Pos) int { return set.Position(at).Line }
	report := func(at int, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%d: ", at)+fmt.Sprintf(format, args...))
	}
	for _, decl := range tree.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			if n := line(f.End()) - line(f.Pos()) + 1; n > functionLines {
				report(line(f.Pos()), "%s has %d lines, of at most %d", f.Name.Name, n, functionLines)
			}
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		return wrong, nil
	}
	if n := bytes.Count(source, []byte("\n")); n > fileLines {
		report(1, "the file has %d lines, of at most %d", n, fileLines)
	}
	for _, i := range tree.Imports {
		if i.Path.Value == `"unsafe"` {
			report(line(i.Pos()), "imports unsafe")
		}
	}
	for _, group := range tree.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname") || strings.HasPrefix(c.Text, "//go:noinline") {
				report(line(c.Pos()), "has a %s directive", strings.Fields(c.Text[2:])[0])
			}
		}
	}
	return wrong, nil
}
