package deed_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
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
