package drive

import (
	"os/exec"
	"syscall"
)

// bind has the kernel send a command a signal when this program ends, however it ends.
func bind(cmd *exec.Cmd, orphaned syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = orphaned
}
