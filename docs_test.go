package deed_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each page of guarantees names tests, and each test that it names is there.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	dir := filepath.Join("docs", "guarantees")
	index := readDoc(t, filepath.Join(dir, "README.md"))
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := testSources{}
	for _, name := range pages {
		if filepath.Base(name) == "README.md" {
			continue
		}
		if !strings.Contains(index, "("+filepath.Base(name)+")") {
			t.Errorf("%s: README.md does not link to it", name)
		}
		for _, fault := range faultsOfGuarantee(sources, readDoc(t, name)) {
			t.Errorf("%s: %s", name, fault)
		}
	}
	if len(pages) < 13 {
		t.Errorf("%d pages in %s, want the index and at least 12", len(pages), dir)
	}
}

// The test above finds what it is there to find.
func TestGuaranteesCheckBites(t *testing.T) {
	page := strings.Join(guaranteeHeadings, "\n\n") + "\n\n"
	for with, want := range map[string]string{
		"":                              "names no test",
		"- `sqlite: TestNothing`":       "TestNothing",
		"- `nowhere: TestStore`":        "nowhere",
		"- `sqlite: TestStore/nothing`": "nothing",
		"- `sqlite: TestStore/check/of 64 appends under the same check exactly one wins`":                                      "of 64",
		"- `sqlite: TestStore/contest/of 64 appends under the same check exactly one wins, twice`":                             "twice",
		"- `deed: TestDecision/lets exactly one of many racers have an address, or two`":                                       "or two",
		"- `sqlite: TestStore/contest/of 64 appends under the same check exactly one wins`":                                    "",
		"- `sqlite: TestParts/parts are there after the opening again`, `sqlite: TestViews/a dropped view starts anew`":        "",
		"- `deed: TestDecision/lets exactly one of many racers have an address`, `examples/shop: TestOneOfManyGetsTheAddress`": "",
	} {
		got := strings.Join(faultsOfGuarantee(testSources{}, page+with), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", with, got, want)
		}
	}
	if faultsOfGuarantee(testSources{}, "- `sqlite: TestStore`") == nil {
		t.Error("a page without its headings was taken")
	}
}

// The example of storetest in the page about engines is that of this repository's own engine.
func TestDocsEnginesShowTheSuiteInUse(t *testing.T) {
	page, own := readDoc(t, filepath.Join("docs", "engines.md")), readDoc(t, filepath.Join("sqlite", "store_test.go"))
	for _, line := range []string{"storetest.Run(t, ", "storetest.RunParts(t, ", "storetest.RunViews(t, ", "storetest.Fuzz(f, "} {
		if !strings.Contains(page, line) || !strings.Contains(own, line) {
			t.Errorf("%s is not in both docs/engines.md and sqlite/store_test.go", line)
		}
	}
}

// Every page of docs is reached from docs/README.md, or from the index of its own directory.
func TestDocsAreAllInTheIndex(t *testing.T) {
	index := readDoc(t, filepath.Join("docs", "README.md"))
	err := filepath.WalkDir("docs", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		local, _ := filepath.Rel("docs", name)
		local = filepath.ToSlash(local)
		if local == "README.md" || strings.Contains(index, "("+local+")") {
			return nil
		}
		own := readDoc(t, filepath.Join(filepath.Dir(name), "README.md"))
		if path.Dir(local) == "." || !strings.Contains(own, "("+path.Base(local)+")") {
			t.Errorf("%s is in no index", name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

var guaranteeHeadings = []string{"## Promised", "## Not promised", "## How it is done", "## Tests that prove it", "## See it by hand"}

// namedTests is a test in a page: `package: TestName/subtest`.
var namedTests = regexp.MustCompile("`([a-z][a-z/]*): ((?:Test|Fuzz|Example)\\w*)(?:/([^`]+))?`")

// faultsOfGuarantee returns what is wrong with a page of guarantees.
func faultsOfGuarantee(sources testSources, page string) []string {
	var faults []string
	for _, heading := range guaranteeHeadings {
		if !strings.Contains("\n"+page+"\n", "\n"+heading+"\n") {
			faults = append(faults, "has no heading "+strconv.Quote(heading))
		}
	}
	_, proof, _ := strings.Cut(page, "## Tests that prove it")
	tests := namedTests.FindAllStringSubmatch(proof, -1)
	if len(tests) == 0 {
		faults = append(faults, "names no test")
	}
	for _, m := range tests {
		if !sources.has(m[1], m[2], m[3]) {
			faults = append(faults, "there is no test "+strings.Trim(m[0], "`"))
		}
	}
	return faults
}

// testSources is the functions of packages by their directory, read when they are asked for. Those of tests are among them.
type testSources map[string]map[string]*ast.FuncDecl

func (s testSources) functions(dir string) map[string]*ast.FuncDecl {
	if known, ok := s[dir]; ok {
		return known
	}
	functions := map[string]*ast.FuncDecl{}
	s[dir] = functions
	names, _ := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	for _, name := range names {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // the compiler says so
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				functions[f.Name.Name] = f
			}
		}
	}
	return functions
}

// has tells whether a package has a test of this name and, where one is namedTests, a subtest.
func (s testSources) has(pkg, test, subtest string) bool {
	dir := pkg
	if pkg == "deed" {
		dir = "."
	}
	f, ok := s.functions(dir)[test]
	if !ok || subtest == "" {
		return ok
	}
	if suite := suiteOf(f); suite != "" {
		section, sentence, found := strings.Cut(subtest, "/")
		if cases, ok := s.sections()[section]; ok && found && suite == "Run" {
			return slices.Contains(s.literals("storetest", cases), sentence)
		}
		return suite != "Run" && slices.Contains(s.literals("storetest", suite), subtest)
	}
	return slices.Contains(s.literals(dir, test), subtest)
}

// suiteOf returns which of storetest's functions a test calls.
func suiteOf(f *ast.FuncDecl) string {
	suite := ""
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "storetest" {
					suite = sel.Sel.Name
				}
			}
		}
		return true
	})
	return suite
}

// sections returns the functions that list the cases of the suite's sections: {"check", checkCases()}.
func (s testSources) sections() map[string]string {
	sections := map[string]string{}
	f, ok := s.functions("storetest")["storeSections"]
	if !ok {
		return sections
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if item, ok := n.(*ast.CompositeLit); ok && len(item.Elts) == 2 {
			name, isText := item.Elts[0].(*ast.BasicLit)
			call, isCall := item.Elts[1].(*ast.CallExpr)
			if isText && isCall {
				text, _ := strconv.Unquote(name.Value)
				sections[text] = call.Fun.(*ast.Ident).Name
			}
		}
		return true
	})
	return sections
}

// literals returns the strings that stand in a function and in those of its package that it names.
func (s testSources) literals(dir, function string) []string {
	var found []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		f, ok := s.functions(dir)[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					found = append(found, text)
				}
			case *ast.Ident:
				visit(n.Name)
			}
			return true
		})
	}
	visit(function)
	return found
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
