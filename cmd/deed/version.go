package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/deed-es/deed/postgres"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the schema that it prints",
		Args:  cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{}
			}
			out := c.OutOrStdout()
			fmt.Fprintln(out, "deed", built(info))
			fmt.Fprintln(out, "go", info.GoVersion)
			fmt.Fprintln(out, "postgres schema", postgres.SchemaVersion)
		},
	}
}

// built is the program's version, or what it was built from where it has none.
func built(info *debug.BuildInfo) string {
	version, revision, modified := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", with changes"
		}
	}
	if version == "" {
		version = "(devel)"
	}
	if revision != "" {
		version += " of commit " + revision + modified
	}
	return version
}
