package sqlite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A disk that is really full: a small one in memory, in a process that sees it alone and takes it along when it ends.
func TestASmallDiskIsGotOver(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Parallel()
		own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if id := os.Getuid(); id != 0 { // who may not mount may do so where he is root
			own.Cloneflags |= syscall.CLONE_NEWUSER
			own.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		}
		probe := exec.Command("true")
		probe.SysProcAttr = own
		if err := probe.Run(); err != nil {
			t.Skipf("no process may have mounts of its own here: %v; TestAFileSizeLimitIsGotOver needs none", err)
		}
		inChild(t, func(child *exec.Cmd) { child.SysProcAttr = own })
		return
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=20m"); err != nil {
		t.Fatal(err)
	}
	ballast := func(name string) (dropped func()) {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, make([]byte, 5<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	outgrow(t, dir, syscall.ENOSPC, ballast("first"), ballast("second"))
}
