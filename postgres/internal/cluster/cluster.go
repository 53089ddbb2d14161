// Package cluster starts a PostgreSQL server of a test's own, in a directory that is thrown away, on a socket in it, and stops it.
// It is for tests.
package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Cluster is a server that runs.
type Cluster struct {
	dir  string
	bin  string
	user *account
}

// Programs returns the directory of PostgreSQL's programs: what DEED_TEST_POSTGRES_BIN says, or that of the newest version installed.
func Programs() (string, error) {
	if dir := os.Getenv("DEED_TEST_POSTGRES_BIN"); dir != "" {
		return dir, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	for _, other := range []string{"/usr/pgsql-*/bin/pg_ctl", "/opt/homebrew/opt/postgresql*/bin/pg_ctl", "/usr/local/opt/postgresql*/bin/pg_ctl"} {
		more, _ := filepath.Glob(other)
		found = append(found, more...)
	}
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b) // 9.6 before 15
			}
			return strings.Compare(a, b)
		})
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL's programs are not installed; run scripts/need-postgres, or set DEED_TEST_POSTGRES to the URL of a server")
}

// Start makes a cluster with these settings ("name = value") and starts it. It flushes as servers do.
func Start(settings ...string) (_ *Cluster, err error) {
	bin, err := Programs()
	if err != nil {
		return nil, err
	}
	user, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "deed-pg") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, user: user}
	defer func() {
		if err != nil {
			_ = c.Stop()
		}
	}()
	if err := user.own(dir); err != nil {
		return nil, err
	}
	if err := c.run("initdb", "-D", c.data(), "-U", "deed", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	settings = append([]string{
		"listen_addresses = ''", "unix_socket_directories = '" + dir + "'", "max_connections = 300", "fsync = on", "synchronous_commit = off",
		"log_line_prefix = '%m %p '", "shared_buffers = 128MB",
	}, settings...)
	if err := c.configure(settings); err != nil {
		return nil, err
	}
	return c, c.control("start", "-l", filepath.Join(dir, "log"))
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) configure(settings []string) error {
	file, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("\n" + strings.Join(settings, "\n") + "\n")
	return errors.Join(err, file.Close())
}

// URL is how the server is reached.
func (c *Cluster) URL() string {
	q := url.Values{"host": {c.dir}, "user": {"deed"}, "dbname": {"postgres"}}
	return "postgres:///?" + q.Encode()
}

// Account is who runs the server, as chown knows it.
func (c *Cluster) Account() string { return c.user.name() }

// Restart stops the server, as a machine that goes down does if it is "immediate", and starts it again.
func (c *Cluster) Restart(mode string) error {
	return c.control("restart", "-m", mode, "-l", filepath.Join(c.dir, "log"))
}

// MoveWAL stops the server, puts its write-ahead log into another directory, and starts it again.
func (c *Cluster) MoveWAL(to string) error {
	if err := c.control("stop", "-m", "fast"); err != nil {
		return err
	}
	from := filepath.Join(c.data(), "pg_wal")
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	if err := errors.Join(os.RemoveAll(from), os.Symlink(to, from)); err != nil {
		return err
	}
	return c.control("start", "-l", filepath.Join(c.dir, "log"))
}

// Log is what the server has said.
func (c *Cluster) Log() string {
	said, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return string(said)
}

// Standby starts a server that follows this one, which is stopped for the copy that it begins with.
func (c *Cluster) Standby() (_ *Cluster, err error) {
	dir, err := os.MkdirTemp("", "deed-pg")
	if err != nil {
		return nil, err
	}
	s := &Cluster{dir: dir, bin: c.bin, user: c.user}
	defer func() {
		if err != nil {
			_ = s.Stop()
		}
	}()
	if err := c.user.own(dir); err != nil {
		return nil, err
	}
	return s, s.follow(c, "host="+c.dir+" user=deed")
}

// follow makes the server a standby of another, which is stopped for the copy that it begins with and is reached so, and starts it.
func (c *Cluster) follow(primary *Cluster, reached string, settings ...string) error {
	if err := primary.control("stop", "-m", "fast"); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", primary.data(), c.data()).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	if err := primary.control("start", "-l", filepath.Join(primary.dir, "log")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.data(), "standby.signal"), nil, 0o644); err != nil {
		return err
	}
	settings = append([]string{"unix_socket_directories = '" + c.dir + "'", "primary_conninfo = '" + reached + "'"}, settings...)
	if err := c.configure(settings); err != nil {
		return err
	}
	return c.control("start", "-l", filepath.Join(c.dir, "log"))
}

// Stop stops the server and removes all that there was.
func (c *Cluster) Stop() error {
	var stopped error
	if _, err := os.Stat(filepath.Join(c.data(), "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		stopped = c.control("stop", "-m", "immediate")
	}
	return errors.Join(stopped, os.RemoveAll(c.dir))
}

func (c *Cluster) control(args ...string) error {
	return c.run("pg_ctl", append([]string{"-D", c.data(), "-w", "-t", "60", "-s"}, args...)...)
}

func (c *Cluster) run(program string, args ...string) error {
	out, err := os.CreateTemp("", "deed-pg-out") // not a pipe: the server that is started would keep it open
	if err != nil {
		return err
	}
	defer func() {
		_ = out.Close()
		_ = os.Remove(out.Name())
	}()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	c.user.run(cmd)
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return fmt.Errorf("%s: %w\n%s%s", program, err, said, log[max(0, len(log)-2000):])
	}
	return nil
}
