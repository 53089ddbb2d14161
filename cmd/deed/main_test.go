package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/deed-es/deed/postgres"
)

// said runs the program and returns what it answers.
func said(args ...string) (code int, stdout, stderr string) {
	var out, err strings.Builder
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// printed is what a call prints that is to succeed.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	code, out, err := said(args...)
	if code != exitDone || err != "" || out == "" {
		t.Errorf("deed %v answers %d, prints %d bytes and says %q", args, code, len(out), err)
	}
	return out
}

func TestSchemaIsWhatTheEngineMakes(t *testing.T) {
	t.Parallel()
	o := postgres.Options{Schema: "tenants"}
	if got := printed(t, "schema", "--schema", "tenants"); got != postgres.Schema(o) {
		t.Errorf("the schema is\n%s", got)
	}
	if got := printed(t, "schema"); got != postgres.Schema(postgres.Options{}) {
		t.Errorf("the schema is\n%s", got)
	}
	want, err := postgres.Upgrade(o, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, "schema", "--schema", "tenants", "--from", "1"); got != want {
		t.Errorf("the upgrade is\n%s", got)
	}
	wanted := postgres.Grants(o, postgres.Roles{Service: "shop"}) + postgres.Grants(o, postgres.Roles{Reader: "Ann's"}) + postgres.Grants(o, postgres.Roles{Appender: "in"})
	if got := printed(t, "schema", "--schema", "tenants", "--grants", "service=shop,reader=Ann's", "--grants", "appender=in"); got != wanted {
		t.Errorf("the grants are\n%s\nand are to be\n%s", got, wanted)
	}
}

// A migration for goose has the same statements, cut where goose cuts: at a line that ends with a semicolon, unless it is marked.
func TestGooseGetsEveryStatementWhole(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"schema"}, {"schema", "--from", "1"}, {"schema", "--grants", "service=a,appender=b,reader=c"}} {
		plain, migration := printed(t, args...), printed(t, append(args, "--format", "goose")...)
		up, down, found := strings.Cut(migration, "\n-- +goose Down\n")
		if !found || !strings.HasPrefix(up, "-- +goose Up\n") {
			t.Fatalf("%v: the migration is\n%s", args, migration)
		}
		if got := strings.TrimSpace(regexp.MustCompile(`(?m)^-- \+goose .*\n?`).ReplaceAllString(up, "")); got != strings.TrimSpace(plain) {
			t.Errorf("%v: the statements are\n%s\nand are to be\n%s", args, got, plain)
		}
		for _, statement := range append(gooseStatements(up), gooseStatements(down)...) {
			for _, quote := range []string{"'", "$$"} {
				if strings.Count(statement, quote)%2 != 0 {
					t.Errorf("%v: goose would cut this off within %s:\n%s", args, quote, statement)
				}
			}
			if strings.Count(statement, "(") != strings.Count(statement, ")") {
				t.Errorf("%v: goose would cut this off within parentheses:\n%s", args, statement)
			}
		}
		if !strings.Contains(down, "RAISE EXCEPTION") {
			t.Errorf("%v: the way back is\n%s", args, down)
		}
	}
}

// gooseStatements cuts a migration as goose does. Comments are left out.
func gooseStatements(sql string) (all []string) {
	var statement strings.Builder
	marked := false
	for line := range strings.Lines(sql) {
		word, isCommand := strings.CutPrefix(strings.TrimSpace(line), "-- +goose ")
		switch {
		case isCommand:
			marked = word == "StatementBegin"
		case strings.HasPrefix(strings.TrimSpace(line), "--"):
			continue
		default:
			code, _, _ := strings.Cut(line, " -- ")
			statement.WriteString(code + "\n")
			if marked || !strings.HasSuffix(strings.TrimSpace(code), ";") {
				continue
			}
		}
		if !marked && strings.TrimSpace(statement.String()) != "" {
			all = append(all, statement.String())
			statement.Reset()
		}
	}
	return all
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := printed(t, "version"); !regexp.MustCompile(`(?s)^deed \S.*\ngo go1\.\d+.*\npostgres schema \d+\n$`).MatchString(got) {
		t.Errorf("the version is\n%s", got)
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"help"}, {"--help"}} {
		got := printed(t, args...)
		for _, command := range []string{"schema", "version"} {
			if !strings.Contains(got, "  "+command+" ") {
				t.Errorf("deed %v does not name %s:\n%s", args, command, got)
			}
		}
	}
	for _, flag := range []string{"--schema", "--from", "--grants", "--format", "psql -1"} {
		if got := printed(t, "schema", "--help"); !strings.Contains(got, flag) {
			t.Errorf("the help of schema does not name %s:\n%s", flag, got)
		}
	}
}

func TestAWrongCommandLineIsAnsweredWithWhatToWrite(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"scheme":                                `unknown command "scheme"`,
		"schema more":                           "more",
		"schema --form 1":                       "unknown flag",
		"schema --from x":                       "invalid argument",
		"schema --from 0":                       "is no earlier version of the schema",
		"schema --from 99":                      "is no earlier version of the schema",
		"schema --schema Upper":                 "Schema: must be",
		"schema --format xml":                   "use plain or goose",
		"schema --grants shop":                  "like service=shop",
		"schema --grants reader=":               "like service=shop",
		"schema --grants owner=shop":            "use service, appender or reader",
		"schema --grants service=shop --from 1": "two calls",
		"version now":                           "now",
	} {
		code, out, err := said(strings.Fields(args)...)
		if code != exitUsage || out != "" || !strings.Contains(err, want) || !strings.Contains(err, "--help") {
			t.Errorf("deed %s answers %d, prints %q and says %q, which is to have %q in it", args, code, out, err, want)
		}
	}
}

// What cannot be written is not passed over.
func TestAFullPipeIsAFailure(t *testing.T) {
	t.Parallel()
	var err strings.Builder
	if code := run([]string{"schema"}, failing{}, &err); code != exitFailed || !strings.Contains(err.String(), "no space") {
		t.Errorf("deed answers %d and says %q", code, err.String())
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left") }
