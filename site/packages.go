package main

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package that users of the library import.
type pkg struct {
	dir     string // in the repository; "." is the root
	fileset *token.FileSet
	doc     *doc.Package
}

// importPath returns the path of the package in an import.
func (p pkg) importPath() string { return path.Join(module, p.dir) }

// private are the folders without packages for users, besides those of other modules and those
// named internal or testdata.
var private = []string{"examples", "integration", "tools", "deploy", "docs", "site"}

// publicPackages returns the packages for users, the root first.
func publicPackages(root string) ([]pkg, error) {
	var all []pkg
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		dir, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		name := path.Base(dir)
		if dir != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"internal", "testdata"}, name) ||
			slices.Contains(private, dir) || exists(root, dir+"/go.mod")) {
			return fs.SkipDir
		}
		// Of bench only the simulator is promised to users: VERSIONING.md.
		if strings.HasPrefix(dir, "bench/") && dir != "bench/fleet" {
			return fs.SkipDir
		}
		p, ok, err := load(root, dir)
		if ok {
			all = append(all, p)
		}
		return err
	})
	return all, err
}

// load reads a package with its examples. ok is false for a folder without one, or with a program.
func load(root, dir string) (p pkg, ok bool, err error) {
	folder := filepath.Join(root, filepath.FromSlash(dir))
	found, err := build.ImportDir(folder, 0)
	if _, none := err.(*build.NoGoError); none || err == nil && (found.Name == "main" || len(found.GoFiles) == 0) {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	p = pkg{dir: dir, fileset: token.NewFileSet()}
	var files []*ast.File
	for _, name := range slices.Concat(found.GoFiles, found.TestGoFiles, found.XTestGoFiles) {
		file, err := parser.ParseFile(p.fileset, filepath.Join(folder, name), nil, parser.ParseComments)
		if err != nil {
			return p, false, err
		}
		files = append(files, file)
	}
	p.doc, err = doc.NewFromFiles(p.fileset, files, p.importPath())
	return p, err == nil, err
}

// source returns the text of a declaration or of an example.
func (p pkg) source(node any) string {
	var b bytes.Buffer
	if err := format.Node(&b, p.fileset, node); err != nil {
		return err.Error()
	}
	return b.String()
}
