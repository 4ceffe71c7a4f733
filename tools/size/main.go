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
	"flag"
	"go/ast"
	"strings"

	"github.com/evenkeel-go/evenkeel/tools/gofiles"
)

const (
	fileLines     = 400
	functionLines = 60
)

func main() {
	flag.Parse()
	gofiles.Main(func(f *gofiles.File) error {
		check(f)
		return nil
	})
}

func check(f *gofiles.File) {
	for _, decl := range f.Tree.Decls {
		if d, ok := decl.(*ast.FuncDecl); ok {
			if n := f.Line(d.End()) - f.Line(d.Pos()) + 1; n > functionLines {
				f.Report(f.Line(d.Pos()), "%s has %d lines, of at most %d", d.Name.Name, n, functionLines)
			}
		}
	}
	if f.IsTest() {
		return
	}
	if n := bytes.Count(f.Source, []byte("\n")); n > fileLines {
		f.Report(1, "the file has %d lines, of at most %d", n, fileLines)
	}
	for _, i := range f.Tree.Imports {
		if i.Path.Value == `"unsafe"` {
			f.Report(f.Line(i.Pos()), "imports unsafe")
		}
	}
	for _, group := range f.Tree.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname") || strings.HasPrefix(c.Text, "//go:noinline") {
				f.Report(f.Line(c.Pos()), "has a %s directive", strings.Fields(c.Text[2:])[0])
			}
		}
	}
}
