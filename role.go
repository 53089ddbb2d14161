package deed

import (
	"fmt"
	"slices"
)

// Role is a share of a service's work that a node may do where several share a log; see Config.Roles.
type Role string

const (
	// RoleCommands: commands are handled.
	RoleCommands Role = "commands"
	// RoleProjections: views are kept up to date.
	RoleProjections Role = "projections"
	// RoleProcesses: processes, reactors, what they bring about, and tasks.
	RoleProcesses Role = "processes"
	// RoleQueries: views are read.
	RoleQueries Role = "queries"
)

func validRoles(roles []Role) error {
	known := []Role{RoleCommands, RoleProjections, RoleProcesses, RoleQueries}
	for i, r := range roles {
		if !slices.Contains(known, r) || slices.Contains(roles[:i], r) {
			return fmt.Errorf("Config.Roles: %.40q is unknown or stands twice; roles are %v", r, known)
		}
	}
	return nil
}

// has tells whether this node has a role; the empty one every node has.
func (s *Service) has(r Role) bool {
	return r == "" || len(s.config.Roles) == 0 || slices.Contains(s.config.Roles, r)
}

// must returns ErrElsewhere unless this node has a role.
func (s *Service) must(r Role) error {
	if s.has(r) {
		return nil
	}
	return fmt.Errorf("%w: its roles are %v, not %s", ErrElsewhere, s.config.Roles, r)
}
