// Package gofiles runs a check on every Go file of the repository, for the commands beside it.
package gofiles

import (
	"flag"
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

// File is one parsed Go file, and the faults found in it.
type File struct {
	Path   string
	Source []byte
	Set    *token.FileSet
	Tree   *ast.File
	Faults []string // each as "line: fault"
}

// Parse returns a file without faults. Generated files have no Tree.
func Parse(path string, source []byte) (*File, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(tree) {
		tree = nil
	}
	return &File{Path: path, Source: source, Set: set, Tree: tree}, nil
}

// IsTest reports whether f is a test file.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Line returns the line of a position.
func (f *File) Line(at token.Pos) int { return f.Set.Position(at).Line }

// Report adds a fault.
func (f *File) Report(line int, format string, args ...any) {
	f.Faults = append(f.Faults, fmt.Sprintf("%d: ", line)+fmt.Sprintf(format, args...))
}

// Main checks the files under the directories that the command line names after its flags, which
// are parsed already, or under the whole repository. It prints the faults, and ends with status 1
// if there is one.
func Main(check func(*File) error) {
	log.SetFlags(0)
	dirs := flag.Args()
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	var faults []string
	for _, dir := range dirs {
		found, err := under("..", dir, check)
		if err != nil {
			log.Fatal(err)
		}
		faults = append(faults, found...)
	}
	if len(faults) > 0 {
		log.Fatalf("%s\n%d faults", strings.Join(faults, "\n"), len(faults))
	}
}

// under returns the faults of the files under a directory of root.
func under(root, dir string, check func(*File) error) (faults []string, err error) {
	err = filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := Parse(path, source)
		if err != nil || f.Tree == nil {
			return err
		}
		if err := check(f); err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		for _, fault := range f.Faults {
			faults = append(faults, filepath.ToSlash(name)+":"+fault)
		}
		return nil
	})
	return faults, err
}
