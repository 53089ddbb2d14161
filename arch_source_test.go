package deed_test

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// How the rules of arch_test.go read the source.

// source is every Go file of the modules that the rules are for, by directory ("." is the root).
type source struct {
	dirs map[string]files
}

type files []*file

type file struct {
	name    string // from the root, with slashes
	ast     *ast.File
	set     *token.FileSet
	imports []string
}

type export struct {
	name       string
	node       ast.Node
	method     bool
	documented bool
}

func load(t *testing.T) *source {
	t.Helper()
	s := &source{dirs: map[string]files{}}
	set := token.NewFileSet()
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		parsed, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if ignored(parsed) {
			return
		}
		f := &file{name: name, ast: parsed, set: set}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			f.imports = append(f.imports, imported)
		}
		dir := path.Dir(name)
		s.dirs[dir] = append(s.dirs[dir], f)
	})
	if len(s.dirs["."]) == 0 {
		t.Fatal("no Go files found; these tests run in the root of the repository")
	}
	return s
}

// walk calls f with every file of those modules, its name with slashes.
func walk(t *testing.T, f func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(name, d)
		}
		f(filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skip(name string, d fs.DirEntry) error {
	if name == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	if err == nil && !slices.Contains(modules, filepath.ToSlash(name)) || d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
		return filepath.SkipDir
	}
	return nil
}

// ignored tells whether a file belongs to no build: "//go:build ignore".
func ignored(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if expr, err := constraint.Parse(c.Text); err == nil && constraint.IsGoBuild(c.Text) {
				return !expr.Eval(func(tag string) bool { return tag != "ignore" })
			}
		}
	}
	return false
}

func (all files) name() string { return strings.TrimSuffix(all[0].ast.Name.Name, "_test") }
func (all files) isMain() bool { return all.name() == "main" }

// production returns the files of a directory that are not tests.
func (s *source) production(dir string) files {
	return slices.DeleteFunc(slices.Clone(s.dirs[dir]), func(f *file) bool { return strings.HasSuffix(f.name, "_test.go") })
}

func (s *source) eachImport(dir string, f func(*file, string)) {
	for _, file := range s.production(dir) {
		for _, imported := range file.imports {
			f(file, imported)
		}
	}
}

// below returns dir and the directories in it, sorted.
func (s *source) below(dir string) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for d := range s.dirs {
			if within(d, dir) && !yield(d) {
				return
			}
		}
	})
}

// enginesBehind returns the ways, import by import, by which dir comes to an engine.
func (s *source) enginesBehind(dir string) [][]string {
	var ways [][]string
	seen := map[string]bool{}
	var visit func(way []string)
	visit = func(way []string) {
		here := way[len(way)-1]
		if seen[here] {
			return
		}
		seen[here] = true
		if isEngine(here) {
			ways = append(ways, slices.Clone(way))
			return
		}
		s.eachImport(here, func(_ *file, imported string) {
			if own, ok := local(imported); ok {
				visit(append(slices.Clone(way), own))
			}
		})
	}
	visit([]string{dir})
	return ways
}

// checkForeign reports what f uses of another context beyond its events and commands: its state, or a fold.
func (s *source) checkForeign(t *testing.T, f *file, context string) {
	states := s.states(context)
	for _, sel := range f.selectors(module + "/" + context) {
		if states[sel.Sel.Name] {
			t.Errorf("%s: %s is state of %s: other contexts see its events and commands only", f.at(sel), sel.Sel.Name, context)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		outer, ok := n.(*ast.SelectorExpr)
		if !ok || outer.Sel.Name != "Evolve" && outer.Sel.Name != "Decide" {
			return true
		}
		if inner, ok := outer.X.(*ast.SelectorExpr); ok && f.refersTo(inner, module+"/"+context) {
			t.Errorf("%s: a fold of %s: other contexts see its events and commands only", f.at(outer), context)
		}
		return true
	})
}

// states returns the types that a context folds into: the first type argument of its deciders, decisions, projections and
// processes.
func (s *source) states(dir string) map[string]bool {
	states := map[string]bool{}
	for _, f := range s.production(dir) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			generic, ok := n.(*ast.IndexListExpr)
			if !ok {
				return true
			}
			of, isSelector := generic.X.(*ast.SelectorExpr)
			state, isName := generic.Indices[0].(*ast.Ident)
			if isSelector && isName && slices.Contains([]string{"Decider", "Decision", "Projection", "Process"}, of.Sel.Name) && f.refersTo(of, module) {
				states[state.Name] = true
			}
			return true
		})
	}
	return states
}

// selectors returns every use of an imported package's name in f.
func (f *file) selectors(imported string) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && f.refersTo(sel, imported) {
			found = append(found, sel)
		}
		return true
	})
	return found
}

// refersTo tells whether sel is a name of the imported package. A local variable of the package's name would count too.
func (f *file) refersTo(sel *ast.SelectorExpr, imported string) bool {
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	for i, spec := range f.ast.Imports {
		name := path.Base(f.imports[i])
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if f.imports[i] == imported && name == x.Name {
			return true
		}
	}
	return false
}

func (f *file) at(n ast.Node) token.Position { return f.set.Position(n.Pos()) }

// exported returns f's exported names, methods and interface methods included.
func (f *file) exported() []export {
	var all []export
	for _, decl := range f.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			all = append(all, exportedFunc(d)...)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				all = append(all, exportedSpec(d, spec)...)
			}
		}
	}
	return all
}

func exportedFunc(d *ast.FuncDecl) []export {
	e := export{name: d.Name.Name, node: d, documented: d.Doc != nil}
	if d.Recv != nil {
		receiver := receiverName(d.Recv.List[0].Type)
		if !ast.IsExported(receiver) {
			return nil
		}
		// What these do is known from their interfaces.
		e.documented = e.documented || slices.Contains([]string{"Error", "String"}, e.name)
		e.method, e.name = true, receiver+"."+e.name
	}
	if !d.Name.IsExported() {
		return nil
	}
	return []export{e}
}

func exportedSpec(d *ast.GenDecl, spec ast.Spec) []export {
	var all []export
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return nil
		}
		all = append(all, export{name: s.Name.Name, node: s, documented: s.Doc != nil || d.Doc != nil})
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, n := range m.Names {
					all = append(all, export{s.Name.Name + "." + n.Name, n, true, m.Doc != nil || m.Comment != nil || !n.IsExported()})
				}
			}
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() {
				all = append(all, export{n.Name, n, false, s.Doc != nil || s.Comment != nil || d.Doc != nil})
			}
		}
	}
	return all
}

func receiverName(expr ast.Expr) string {
	switch x := expr.(type) {
	case *ast.StarExpr:
		return receiverName(x.X)
	case *ast.IndexExpr:
		return receiverName(x.X)
	case *ast.IndexListExpr:
		return receiverName(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// local returns the directory of a package of this module.
func local(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// standard tells whether an import is of the standard library: its first word has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && imported != "C"
}

// impure tells whether a package of the standard library does I/O, carries a context, or makes randomness.
func impure(imported string) bool {
	return slices.ContainsFunc([]string{
		"context", "crypto/rand", "database", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin",
		"runtime", "syscall", "unsafe",
	}, func(p string) bool {
		return within(imported, p) && imported != "net/mail" && imported != "net/netip" && imported != "net/url"
	})
}

func isEngine(dir string) bool {
	for engine := range engines {
		if within(dir, engine) {
			return true
		}
	}
	return false
}

// within tells whether a path is dir or lies below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func called(dir string) string {
	if dir == "." {
		return "package deed"
	}
	return "package " + dir
}

func also(dirs []string) string {
	if len(dirs) == 0 {
		return " only"
	}
	return " and " + strings.ReplaceAll(strings.Join(dirs, ", "), ".", "deed")
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
