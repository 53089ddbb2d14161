//go:build !unix

package cluster

import "os/exec"

// account is who runs the server: who runs the test.
type account struct{}

func unprivileged() (*account, error) { return nil, nil }

func (*account) own(string) error { return nil }

func (*account) name() string { return "" }

func (*account) run(*exec.Cmd) {}
