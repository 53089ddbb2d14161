//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// How processes are told what becomes of them.
const (
	stopped     = syscall.SIGSTOP
	continued   = syscall.SIGCONT
	politely    = syscall.SIGTERM
	fast        = syscall.SIGINT  // PostgreSQL ends cleanly, and breaks off what is under way
	immediately = syscall.SIGQUIT // PostgreSQL ends as if it had crashed
)

// supported tells whether this system has such signals.
const supported = true

// runAs has a command run by somebody; by who runs this program if uid is negative.
func runAs(cmd *exec.Cmd, uid, gid int) {
	if uid >= 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}

// stopMyself stops this process until somebody continues it.
func stopMyself() error { return syscall.Kill(os.Getpid(), stopped) }
