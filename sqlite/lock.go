package sqlite

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/deed-es/deed"
)

// holder is who writes to a log, as its lock file tells others.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (h holder) String() string {
	if h.PID == 0 {
		return "an unknown process"
	}
	return fmt.Sprintf("pid %d on %s since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}

// fileLock is the right to write to a log. The operating system takes it back when the process ends, however it ends.
type fileLock struct {
	lock *flock.Flock
	path string
}

// The lock is on the file's first byte, which some systems then let nobody else read; the holder stands behind it.
const holderOffset = 1

// lockFile takes the lock at once, or fails with an error that wraps deed.ErrLocked and names the holder.
func lockFile(path string) (*fileLock, error) {
	l := &fileLock{lock: flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644)), path: path}
	got, err := l.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !got {
		return nil, fmt.Errorf("%w: %s is held by %s", deed.ErrLocked, path, readHolder(path))
	}
	host, _ := os.Hostname()
	if err := l.write(holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)}); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

func (l *fileLock) write(h holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(holderOffset)
	if err == nil {
		_, err = f.WriteAt(text, holderOffset)
	}
	if end := f.Close(); err == nil {
		err = end
	}
	return err
}

func (l *fileLock) unlock() {
	if l != nil {
		_ = os.Truncate(l.path, 0)
		_ = l.lock.Unlock()
	}
}

// readHolder returns who wrote the lock file; the zero holder if that cannot be told.
func readHolder(path string) holder {
	var h holder
	f, err := os.Open(path)
	if err != nil {
		return h
	}
	defer f.Close()
	text := make([]byte, 1024)
	n, _ := f.ReadAt(text, holderOffset)
	if json.Unmarshal(text[:n], &h) != nil {
		return holder{}
	}
	return h
}
