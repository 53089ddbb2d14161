//go:build !linux

package browser_test

import "syscall"

// bound would have a process end with this one. Here it does so only when the tests come to their end.
func bound() *syscall.SysProcAttr { return nil }
