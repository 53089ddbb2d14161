package postgres

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Roles are roles of a database that work with a schema which somebody else owns; an empty name is nobody.
type Roles struct {
	// Service runs services: it appends, and keeps views, processes and reactors. Events that are stored it can neither change nor remove.
	Service string
	// Appender appends, and reads. It cannot do so in a log with inline views, which whoever appends has to fold.
	Appender string
	// Reader opens logs with Options.ReadOnly: it reads, follows, and queries views.
	Reader string
}

// Grants returns the SQL that gives roles what they need in the schema which o names, and no more. It is for the schema's owner, once the
// schema is made, and again after each upgrade. What a role had before is not taken away.
func Grants(o Options, r Roles) string {
	t := tables{schema: o.withDefaults().Schema}
	var sql strings.Builder
	for _, one := range []struct {
		role   string
		rights func(right) string
	}{
		{r.Service, func(r right) string { return r.service }},
		{r.Appender, func(r right) string { return r.appender }},
		{r.Reader, func(right) string { return "SELECT" }},
	} {
		if one.role != "" {
			sql.WriteString(t.grants(one.role, one.rights))
		}
	}
	return sql.String()
}

func (t *tables) grants(role string, rights func(right) string) string {
	role = pgx.Identifier{role}.Sanitize()
	sql := "GRANT USAGE ON SCHEMA " + t.quoted() + " TO " + role + ";\n"
	var kinds []string
	named := map[string][]string{} // tables, by the rights to them
	for _, r := range allRights {
		kind := rights(r)
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		named[kind] = append(named[kind], "@"+r.table)
	}
	for _, kind := range kinds {
		sql += t.fill("GRANT "+kind+" ON "+strings.Join(named[kind], ", ")) + " TO " + role + ";\n"
	}
	if slices.Contains(kinds, mayAdd) { // to a log in the order Parallel
		sql += t.fill("GRANT USAGE ON SEQUENCE @positions") + " TO " + role + ";\n"
	}
	return sql
}

// right is what roles may do with a table. All may read it.
type right struct{ table, service, appender string }

const (
	mayRead   = "SELECT"
	mayAdd    = "SELECT, INSERT"
	mayMove   = "SELECT, INSERT, UPDATE"
	mayChange = "SELECT, INSERT, UPDATE, DELETE"
)

var allRights = []right{
	{"meta", mayRead, mayRead},
	{"events_v1", mayRead, mayRead},
	{"checkpoints_v1", mayRead, mayRead},
	{"logs", mayMove, mayMove}, // how far a log is stands in its row
	{"kinds", mayAdd, mayAdd},
	{"events", mayAdd, mayAdd},
	{"tags", mayAdd, mayAdd},
	{"commands", mayChange, mayAdd},
	{"nodes", mayChange, mayRead},
	{"leases", mayChange, mayRead},
	{"parts", mayChange, mayRead},
	{"part_states", mayChange, mayRead},
	{"effects", mayChange, mayRead},
	{"parked", mayChange, mayRead},
	{"views", mayChange, mayRead},
	{"view_rows", mayChange, mayRead},
	{"view_values", mayChange, mayRead},
	{"view_parked", mayChange, mayRead},
	{"view_read", mayChange, mayRead},
}
