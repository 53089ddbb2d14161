package browser_test

import "syscall"

// bound has a process end with this one, also when this one is killed. chromedp does the same with the browser.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
