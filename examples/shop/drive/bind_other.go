//go:build !linux

package drive

import (
	"os/exec"
	"syscall"
)

// bind does nothing where the kernel has no such service: a run that is killed leaves its children behind.
func bind(*exec.Cmd, syscall.Signal) {}
