package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Pooler is a pgbouncer in front of a cluster, in transaction mode.
type Pooler struct {
	c      *Cluster
	cmd    *exec.Cmd
	said   bytes.Buffer
	exited chan struct{}
}

const poolerPort = "6432"

// Pool starts a pooler that has so many connections to the cluster for all who come.
func (c *Cluster) Pool(ctx context.Context, connections int) (*Pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, errors.New("pgbouncer is not installed; run scripts/need-postgres")
		}
	}
	settings := filepath.Join(c.dir, "pgbouncer.ini")
	err = os.WriteFile(settings, []byte(strings.Join([]string{
		"[databases]", "postgres = host=" + c.dir + " user=deed dbname=postgres",
		"[pgbouncer]", "listen_addr =", "listen_port = " + poolerPort, "unix_socket_dir = " + c.dir, "auth_type = any",
		"pool_mode = transaction", fmt.Sprint("default_pool_size = ", connections), "max_client_conn = 1000", "",
	}, "\n")), 0o644)
	if err != nil {
		return nil, err
	}
	p := &Pooler{c: c, cmd: exec.Command(program, settings), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, &p.said, &p.said
	c.user.run(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, p.answers(ctx)
}

// answers waits until somebody may connect.
func (p *Pooler) answers(ctx context.Context) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(p.c.dir, ".s.PGSQL."+poolerPort)); err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-p.exited:
			return fmt.Errorf("pgbouncer has ended: %s", p.said.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.Stop())
		}
	}
}

// URL is how the cluster is reached through the pooler.
func (p *Pooler) URL() string {
	q := url.Values{"host": {p.c.dir}, "port": {poolerPort}, "user": {"deed"}, "dbname": {"postgres"}, "default_query_exec_mode": {"exec"}}
	return "postgres:///?" + q.Encode()
}

// Stop ends the pooler, and all connections to it.
func (p *Pooler) Stop() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}
