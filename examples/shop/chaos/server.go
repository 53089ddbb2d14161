package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deed-es/deed/examples/shop/drive"
)

// server is a PostgreSQL server of this program's own, on a socket in a directory of its own. It is a child, so that it ends with
// this program however that ends.
type server struct {
	dir      string
	bin      string
	uid, gid int // who runs it; -1: who runs this program
	child    *drive.Child
	down     atomic.Bool
}

// programs is the directory of PostgreSQL's programs: what DEED_TEST_POSTGRES_BIN says, or that of the newest version installed.
func programs() (string, error) {
	if dir := os.Getenv("DEED_TEST_POSTGRES_BIN"); dir != "" {
		return dir, nil
	}
	var found []string
	for _, place := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/local/opt/postgresql*/bin/initdb"} {
		more, _ := filepath.Glob(place)
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
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL's programs are not installed; run scripts/need-postgres")
}

// startServer makes a server with nothing in it and starts it.
func startServer(ctx context.Context) (_ *server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, uid: -1, gid: -1}
	if s.dir, err = os.MkdirTemp("", "deed-pg"); err != nil { // short: a socket's path has at most 107 bytes
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	if err := s.unprivileged(); err != nil {
		return nil, err
	}
	if err := s.run(ctx, "initdb", "-D", s.data(), "-U", "deed", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	settings := "\nlisten_addresses = ''\nunix_socket_directories = '" + s.dir + "'\nmax_connections = 300\nfsync = on\nsynchronous_commit = off\n" +
		"shared_buffers = 128MB\nlog_line_prefix = '%m %p '\n"
	file, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString(settings)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// unprivileged finds somebody to run the server, which does not start for root.
func (s *server) unprivileged() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID == nil && errGID == nil {
			s.uid, s.gid = uid, gid
			return os.Chown(s.dir, uid, gid)
		}
	}
	return errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// url is how the server is reached.
func (s *server) url() string {
	return "postgres:///?" + url.Values{"host": {s.dir}, "user": {"deed"}, "dbname": {"postgres"}}.Encode()
}

const (
	serverWithin = time.Minute
	askEvery     = 20 * time.Millisecond
)

// start starts the server and returns when it answers.
func (s *server) start(ctx context.Context) (err error) {
	if s.child, err = drive.Begin(s.command("postgres", "-D", s.data()), immediately); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, serverWithin)
	defer cancel()
	for {
		answer, err := s.ask(ctx, "SELECT 1")
		if err == nil && answer == "1" {
			s.down.Store(false)
			return nil
		}
		if s.child.HasEnded() {
			return fmt.Errorf("PostgreSQL has ended: %s", s.child.Said())
		}
		if drive.Pause(ctx, askEvery) != nil {
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, s.child.Said())
		}
	}
}

// crash ends the server at once, as a machine that goes down does: what is not flushed is to be found in the WAL, or nowhere.
func (s *server) crash() error {
	s.down.Store(true)
	return s.child.End(immediately)
}

// shut ends the server cleanly; it breaks off what is under way.
func (s *server) shut() error {
	s.down.Store(true)
	return s.child.End(fast)
}

// remove ends the server and takes away all that there was.
func (s *server) remove() error {
	if s.child != nil {
		s.child.Kill(immediately)
	}
	return os.RemoveAll(s.dir)
}

// ask asks the server something that has one answer.
func (s *server) ask(ctx context.Context, sql string) (string, error) {
	cmd := s.command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.url(), "-c", sql)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	done, err := drive.Begin(cmd, fast)
	if err != nil {
		return "", err
	}
	select {
	case <-done.Ended:
	case <-ctx.Done():
		done.Kill(fast)
		return "", ctx.Err()
	}
	if done.Result != nil {
		return "", fmt.Errorf("psql: %w: %s", done.Result, said.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// copyData copies the data of a server that does not run, and restore puts such a copy in the place of the data.
func (s *server) copyData(ctx context.Context) (string, error) {
	to := filepath.Join(s.dir, "copy")
	return to, s.run(ctx, "cp", "-a", s.data(), to)
}

func (s *server) restore(ctx context.Context, from string) error {
	if err := os.RemoveAll(s.data()); err != nil {
		return err
	}
	return s.run(ctx, "cp", "-a", from, s.data())
}

// command is one of PostgreSQL's programs, or of the system's, run by who runs the server.
func (s *server) command(program string, args ...string) *exec.Cmd {
	path := filepath.Join(s.bin, program)
	if _, err := os.Stat(path); err != nil {
		path = program
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	runAs(cmd, s.uid, s.gid)
	return cmd
}

func (s *server) run(ctx context.Context, program string, args ...string) error {
	c, err := drive.Begin(s.command(program, args...), politely)
	if err != nil {
		return err
	}
	select {
	case <-c.Ended:
	case <-ctx.Done():
		c.Kill(immediately)
	}
	if c.Result != nil {
		return fmt.Errorf("%s: %w\n%s", program, c.Result, c.Said())
	}
	return nil
}
