//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// There are no signals that stop a process and let it go on.
const (
	stopped     = syscall.SIGKILL
	continued   = syscall.SIGKILL
	politely    = syscall.SIGKILL
	fast        = syscall.SIGKILL
	immediately = syscall.SIGKILL
)

const supported = false

func runAs(*exec.Cmd, int, int) {}

func stopMyself() error {
	return errors.New(os.Args[0] + ": a process cannot be stopped on this system")
}
