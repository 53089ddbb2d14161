//go:build !unix

package drive

import "syscall"

// There is no way to ask a process to end.
const politely = syscall.SIGKILL
