package sqlite

import "runtime"

// WithVFS opens the log's database through a VFS that a test has registered.
func (o Options) WithVFS(name string) *Options {
	o.vfs = name
	return &o
}

// AwaitQueue returns once so many batches wait for the log's writer.
func (db *DB) AwaitQueue(n int) {
	for {
		db.writer.mu.Lock()
		waiting := len(db.writer.jobs)
		db.writer.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}
