package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one change of one file.
type mutant struct {
	name   string
	text   string // the change, in words
	file   string // absolute
	source []byte // of the file, changed
}

// find returns the mutants of a package, named by its directory under the module's root.
func find(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var found []mutant
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		more, err := inFile(strings.ReplaceAll(dir, "/", "."), absolute)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: nothing to change", dir)
	}
	return found, nil
}

func inFile(pkg, file string) ([]mutant, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	w := &writer{set: set, tree: tree, file: file}
	for _, decl := range tree.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		w.prefix, w.count = pkg+"/"+name(f), map[string]int{}
		ast.Inspect(f.Body, w.visit)
	}
	return w.found, w.err
}

// name returns a function's name, with its receiver's type before it.
func name(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		}
		return f.Name.Name
	}
}

// writer prints the file once for each change, and takes the change back.
type writer struct {
	set    *token.FileSet
	tree   *ast.File
	file   string
	prefix string
	count  map[string]int
	found  []mutant
	err    error
}

// turned has for each comparison the one that disagrees with it most often at the edge.
var turned = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LAND: token.LOR, token.LOR: token.LAND,
}

func (w *writer) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if to, ok := turned[n.Op]; ok {
			from := n.Op
			n.Op = to
			w.keep("turn", n.Pos(), fmt.Sprintf("%s becomes %s", from, to))
			n.Op = from
		}
	case *ast.IfStmt:
		if n.Init != nil || n.Else != nil {
			break
		}
		cond := n.Cond
		n.Cond = &ast.BinaryExpr{X: &ast.ParenExpr{X: cond}, Op: token.LAND, Y: ast.NewIdent("false")}
		w.keep("guard", n.Pos(), "a guard never holds")
		n.Cond = cond
	case *ast.BlockStmt:
		w.calls(n.List)
	case *ast.CaseClause:
		w.calls(n.Body)
	}
	return w.err == nil
}

// calls leaves out each statement that is a call.
func (w *writer) calls(list []ast.Stmt) {
	for i, s := range list {
		call, ok := s.(*ast.ExprStmt)
		if !ok {
			continue
		}
		if c, isCall := call.X.(*ast.CallExpr); !isCall || isPanic(c) {
			continue
		}
		var text bytes.Buffer
		_ = format.Node(&text, w.set, call)
		list[i] = &ast.IfStmt{If: s.Pos(), Cond: ast.NewIdent("false"), Body: &ast.BlockStmt{List: []ast.Stmt{s}}}
		w.keep("call", s.Pos(), "without "+firstLine(text.String()))
		list[i] = s
	}
}

func isPanic(c *ast.CallExpr) bool {
	id, ok := c.Fun.(*ast.Ident)
	return ok && id.Name == "panic"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (w *writer) keep(kind string, at token.Pos, text string) {
	w.count[kind]++
	var out bytes.Buffer
	if err := format.Node(&out, w.set, w.tree); err != nil {
		w.err = err
		return
	}
	w.found = append(w.found, mutant{
		name: fmt.Sprintf("%s/%s/%d", w.prefix, kind, w.count[kind]), file: w.file, source: out.Bytes(),
		text: fmt.Sprintf("%s:%d: %s", filepath.Base(w.file), w.set.Position(at).Line, text),
	})
}
