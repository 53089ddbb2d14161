//go:build unix

package drive

import "syscall"

// politely is how a process is asked to end.
const politely = syscall.SIGTERM
