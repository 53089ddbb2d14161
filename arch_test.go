package deed_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house rules, as tests. They read the source of every file of the module, whatever system it is for, so they hold
// for packages that come later too. Rules 1 to 7 are "Who may import whom" in the order of the blueprint.

const module = "github.com/deed-es/deed"

// engines are the packages that keep a log, each with the modules that it may use. A driver stays in its engine.
var engines = map[string][]string{
	"sqlite":   {"github.com/ncruces/go-sqlite3", "github.com/gofrs/flock", "golang.org/x/sys"},
	"postgres": {"github.com/jackc/pgx"},
	"nats":     {"github.com/nats-io"},
}

// faces stand in front of a service, and see engines only as interfaces.
var faces = []string{"gateway", "console", "telemetry"}

// domains are the pure packages of the examples; what lies below them (cmd, adapters) is not.
var domains = []string{
	"examples/cart",
	"examples/shop/money", "examples/shop/users", "examples/shop/customers", "examples/shop/orders", "examples/shop/analysis", "examples/shop/campaigns",
}

// testers are for tests, and may be built on package testing.
var testers = []string{"deedtest", "storetest"}

// 1. deed imports the standard library only. So does storetest, plus deed; deedtest imports sqlite too.
func TestArchVocabularyStandsAlone(t *testing.T) {
	tree := load(t)
	may := map[string][]string{".": {}, "storetest": {"."}, "deedtest": {".", "sqlite"}}
	for _, dir := range slices.Sorted(maps.Keys(may)) {
		tree.eachImport(dir, func(f *file, imported string) {
			if own, ok := local(imported); (ok && !slices.Contains(may[dir], own)) || (!ok && !standard(imported)) {
				t.Errorf("%s imports %s: %s may import the standard library%s", f.name, imported, called(dir), also(may[dir]))
			}
		})
	}
}

// 2. An engine imports deed and its driver; never another engine, the gateway or the console.
func TestArchEnginesAreIslands(t *testing.T) {
	tree := load(t)
	for _, engine := range slices.Sorted(maps.Keys(engines)) {
		for _, dir := range tree.below(engine) {
			tree.eachImport(dir, func(f *file, imported string) {
				own, ok := local(imported)
				switch {
				case ok && own != "." && own != engine && !within(own, engine) && !within(own, "internal"):
					t.Errorf("%s imports %s: an engine may import deed and its driver", f.name, imported)
				case !ok && !standard(imported) && !slices.ContainsFunc(engines[engine], func(m string) bool { return within(imported, m) }):
					t.Errorf("%s imports %s: the modules of engine %s are %v; a new one needs a line here and in docs/adr/dependencies.md",
						f.name, imported, engine, engines[engine])
				}
			})
		}
	}
}

// 3. gateway, console and telemetry import deed; they see engines only as interfaces.
func TestArchFacesSeeInterfaces(t *testing.T) {
	tree := load(t)
	for _, face := range faces {
		for _, dir := range tree.below(face) {
			for _, way := range tree.enginesBehind(dir) {
				t.Errorf("%s: a face sees engines only as deed's interfaces", strings.Join(way, " imports "))
			}
		}
	}
}

// 4. Only main packages choose an engine.
func TestArchOnlyMainChoosesAnEngine(t *testing.T) {
	tree := load(t)
	for dir, files := range tree.dirs {
		if files.isMain() || dir == "deedtest" || isEngine(dir) {
			continue
		}
		tree.eachImport(dir, func(f *file, imported string) {
			if own, ok := local(imported); ok && isEngine(own) {
				t.Errorf("%s imports %s: only a main package chooses an engine", f.name, imported)
			}
		})
	}
}

// 5. A domain package imports the standard library without I/O, deed, a decimal type, and other contexts' event and command
// types: never their state, and without cycles (the compiler sees to that). It reads no clock.
func TestArchDomainsArePure(t *testing.T) {
	tree := load(t)
	for _, dir := range domains {
		tree.eachImport(dir, func(f *file, imported string) {
			own, ok := local(imported)
			switch {
			case ok && own != "." && !slices.Contains(domains, own):
				t.Errorf("%s imports %s: a domain package may import deed and other contexts", f.name, imported)
			case ok && slices.Contains(domains, own):
				tree.checkForeign(t, f, own)
			case !ok && standard(imported) && impure(imported):
				t.Errorf("%s imports %s: a domain package has no I/O, no context and no randomness", f.name, imported)
			case !ok && !standard(imported) && imported != "github.com/govalues/decimal":
				t.Errorf("%s imports %s: a domain package may have a decimal type, and no other module", f.name, imported)
			}
		})
		for _, f := range tree.production(dir) {
			for _, s := range f.selectors("time") {
				if slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}, s.Sel.Name) {
					t.Errorf("%s: time.%s: a domain package reads no clock; use DecideWith and Meta.Now, or the record's time", f.at(s), s.Sel.Name)
				}
			}
		}
	}
}

// 6. Production code never imports testing, deedtest or storetest.
func TestArchNoTestsInProduction(t *testing.T) {
	tree := load(t)
	for dir := range tree.dirs {
		if slices.ContainsFunc(testers, func(tester string) bool { return within(dir, tester) }) {
			continue
		}
		tree.eachImport(dir, func(f *file, imported string) {
			own, ok := local(imported)
			if within(imported, "testing") || ok && slices.ContainsFunc(testers, func(tester string) bool { return within(own, tester) }) {
				t.Errorf("%s imports %s: that is for tests", f.name, imported)
			}
		})
	}
}

// 7. No package is called common, util, helpers, types, models, pkg or core.
func TestArchPackagesAreNamedForWhatTheyAre(t *testing.T) {
	empty := []string{"common", "util", "helpers", "types", "models", "pkg", "core"}
	for dir, files := range load(t).dirs {
		for _, word := range append(strings.Split(dir, "/"), files.name()) {
			if slices.Contains(empty, word) {
				t.Errorf("package %s in %s: %q says nothing; name it for what it is", files.name(), dir, word)
			}
		}
	}
}

// deed builds without a C compiler, on every system.
func TestArchNoCgo(t *testing.T) {
	tree := load(t)
	for dir := range tree.dirs {
		for _, f := range tree.dirs[dir] {
			if slices.Contains(f.imports, "C") {
				t.Errorf("%s imports C: deed builds without a C compiler", f.name)
			}
		}
	}
}

// besides are the files of the root package whose names a user does not meet when writing a service: for who writes an engine,
// a list to look things up in, and what gateways, consoles and metrics read.
var besides = []string{"engine.go", "engineleases.go", "engineviews.go", "error.go", "model.go", "observer.go", "status.go", "survey.go", "versions.go"}

// The names that a user meets fit on a page.
func TestArchRootFitsOnAPage(t *testing.T) {
	const limit = 80
	var names []string
	for _, f := range load(t).production(".") {
		if slices.Contains(besides, f.name) {
			continue
		}
		for _, e := range f.exported() {
			if !e.method {
				names = append(names, e.name)
			}
		}
	}
	slices.Sort(names)
	t.Logf("the root package has %d exported names outside %v; the limit is %d", len(names), besides, limit)
	if len(names) > limit {
		t.Errorf("%d exported names are more than the %d that fit on a page: %s", len(names), limit, strings.Join(names, " "))
	}
}

// Every exported name of the root package says what it promises.
func TestArchRootIsDocumented(t *testing.T) {
	var found bool
	for _, f := range load(t).production(".") {
		found = found || f.ast.Doc != nil
		for _, e := range f.exported() {
			if !e.documented {
				t.Errorf("%s: %s has no doc comment", f.at(e.node), e.name)
			}
		}
	}
	if !found {
		t.Error("package deed has no package comment")
	}
}

// The cart is the API in use. Its two files are those of the acceptance folder, byte for byte; where that folder does not
// stand beside the repository, their digests are known.
func TestArchCartIsAsAccepted(t *testing.T) {
	for name, digest := range map[string]string{
		"cart.go":      "d82799c1d98aa24823bf1585d81e7093fe25fab860660e4e3b66a404f09d5450",
		"cart_test.go": "7fbd11d04905703cbc37fe0a008f6cb6ab152ad9230661dfa84dfb6c110d282c",
	} {
		got, err := os.ReadFile(filepath.Join("examples", "cart", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(got)); sum != digest {
			t.Errorf("examples/cart/%s has the digest %s, not the accepted %s", name, sum, digest)
		}
		want, err := os.ReadFile(filepath.Join("..", "shared", "acceptance", "cart", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("examples/cart/%s is not the acceptance folder's (%v)", name, err)
		}
	}
}

// The program at the top of the README compiles.
func TestArchReadmeCompiles(t *testing.T) {
	sample := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(read(t, "README.md"))
	if sample == nil {
		t.Fatal("README.md shows no Go code")
	}
	program := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(program, []byte(sample[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", program).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

// Links from page to page lead somewhere.
func TestArchLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	})
}

// The rest of the file is how the source is read.

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
