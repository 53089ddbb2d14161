package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deed-es/deed/postgres"
)

// schemaCommand is how deed schema was called.
type schemaCommand struct {
	schema string
	from   int
	grants []string
	format string
}

func newSchema() *cobra.Command {
	s := &schemaCommand{}
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the SQL that makes or upgrades a schema on PostgreSQL, or grants rights in it",
		Long: fmt.Sprintf(`deed schema prints SQL for PostgreSQL. It connects to nothing.

Without flags it is what makes the schema (version %d). With --from it is what upgrades one of an earlier version; it
changes nothing, and fails, where the schema has another version. With --grants it is what gives roles the rights they need:

  service   runs services: appends, keeps views, processes and reactors; changes no event that is stored
  appender  appends and reads
  reader    reads and follows, for logs that are opened read-only

Services make and upgrade the schema themselves when they start, if their role may. This is for where it may not. The SQL is
for the owner of the schema, in one transaction; grants are needed again after each upgrade.`, postgres.SchemaVersion),
		Example: `  deed schema | psql -1 -v ON_ERROR_STOP=1 "$OWNER_URL"
  deed schema --from 1 | psql -1 -v ON_ERROR_STOP=1 "$OWNER_URL"
  deed schema --grants service=shop,reader=reports | psql -1 -v ON_ERROR_STOP=1 "$OWNER_URL"
  deed schema --format goose > migrations/00001_deed.sql`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.print(c.OutOrStdout(), c.Flags().Changed("from")) },
	}
	flags := c.Flags()
	flags.StringVar(&s.schema, "schema", "deed", "the schema's `name`")
	flags.IntVar(&s.from, "from", 0, "print the upgrade from this `version` of the schema")
	flags.StringSliceVar(&s.grants, "grants", nil, "print the rights of these roles, as `kind=role,...`; kinds are service, appender and reader")
	flags.StringVar(&s.format, "format", "plain", "plain, or goose: with the comments that goose wants in a migration")
	return c
}

func (s *schemaCommand) print(to io.Writer, upgrade bool) error {
	o := postgres.Options{Schema: s.schema}
	if err := o.Validate(); err != nil {
		return err
	}
	var sql string
	var err error
	switch {
	case upgrade && len(s.grants) > 0:
		return &usageError{errors.New("an upgrade and grants are two calls; print the upgrade first")}
	case upgrade:
		sql, err = postgres.Upgrade(o, s.from)
	case len(s.grants) > 0:
		sql, err = granted(o, s.grants)
	default:
		sql = postgres.Schema(o)
	}
	if err != nil {
		return err
	}
	switch s.format {
	case "plain":
	case "goose":
		sql = asGoose(sql, o.Schema)
	default:
		return &usageError{fmt.Errorf("there is no format %q; use plain or goose", s.format)}
	}
	_, err = io.WriteString(to, sql)
	return err
}

// granted is the SQL for roles, each as "kind=role".
func granted(o postgres.Options, grants []string) (sql string, err error) {
	for _, grant := range grants {
		kind, role, found := strings.Cut(grant, "=")
		if !found || role == "" {
			return "", &usageError{fmt.Errorf("%q says not who gets what; write a kind and a role, like service=shop", grant)}
		}
		var r postgres.Roles
		switch kind {
		case "service":
			r.Service = role
		case "appender":
			r.Appender = role
		case "reader":
			r.Reader = role
		default:
			return "", &usageError{fmt.Errorf("there is no kind of role %q; use service, appender or reader", kind)}
		}
		sql += postgres.Grants(o, r)
	}
	return sql, nil
}

// asGoose is SQL as a migration of goose: what has semicolons within a statement is marked, and there is no way back.
func asGoose(sql, schema string) string {
	var out strings.Builder
	out.WriteString("-- +goose Up\n")
	for line := range strings.Lines(sql) {
		if strings.HasPrefix(line, "DO $$") {
			out.WriteString("-- +goose StatementBegin\n")
		}
		out.WriteString(line)
		if strings.HasPrefix(line, "END $$;") {
			out.WriteString("-- +goose StatementEnd\n")
		}
	}
	fmt.Fprintf(&out, `
-- +goose Down
-- +goose StatementBegin
DO $$ BEGIN
	RAISE EXCEPTION 'a log is not taken back by a migration; what is in schema %s is removed by hand, or not at all';
END $$;
-- +goose StatementEnd
`, schema)
	return out.String()
}
