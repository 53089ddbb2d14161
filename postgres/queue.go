package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/deed-es/deed"
)

// The bounds of a queue and of a group: contract.md, "Names and limits".
const (
	queueBatches = 4096
	queueBytes   = 64 << 20
	groupBatches = 256
	groupBytes   = 4 << 20
)

// task is one caller's work, done inside the transaction of a group.
type task interface {
	// shares tells whether the log's lock may be shared with those of other processes who do too.
	shares() bool
	// ask says what has to be looked up once the lock is held.
	ask(a *asked)
	// apply does the work on what is to be stored of the group. A refusal is the caller's own answer and has left nothing
	// behind; a failure is a statement's, after which the transaction is rolled back.
	apply(ctx context.Context, g *group) (refusal, failure error)
}

// job is a task on its way through a queue.
type job struct {
	task  task
	size  int
	err   error
	done  chan struct{} // one answer
	taken bool          // under way, guarded by the queue
}

// queue is where callers wait for the one writer. It is bounded in count and bytes.
type queue struct {
	mu     sync.Mutex
	jobs   []*job
	bytes  int
	closed bool
	wake   chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// do queues t and waits for its answer. A caller whose context ends is taken out while it waits, and only stops waiting
// once its group is under way: the outcome is then unknown to it.
func (q *queue) do(ctx context.Context, t task, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{task: t, size: size, done: make(chan struct{}, 1)}
	if err := q.put(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if q.takeOut(j) {
		return ctx.Err()
	}
	select {
	case <-j.done: // the answer was there already
		return j.err
	default:
	}
	return fmt.Errorf("%w: %w", deed.ErrUnknown, ctx.Err())
}

func (q *queue) put(j *job) error {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return deed.ErrClosed
	case len(q.jobs) >= queueBatches, q.bytes+j.size > queueBytes && len(q.jobs) > 0:
		q.mu.Unlock()
		return deed.ErrBusy
	}
	q.jobs = append(q.jobs, j)
	q.bytes += j.size
	first := len(q.jobs) == 1
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// takeOut removes j if it still waits.
func (q *queue) takeOut(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.jobs, j)
	if j.taken || i < 0 {
		return false
	}
	q.jobs = slices.Delete(q.jobs, i, i+1)
	q.bytes -= j.size
	return true
}

// next waits until there is work and takes what waits, up to a group's bounds; a larger job is a group of its own. It
// returns nil once the queue is closed.
func (q *queue) next(into []*job) []*job {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil
		}
		if len(q.jobs) > 0 {
			break
		}
		q.mu.Unlock()
		<-q.wake
	}
	defer q.mu.Unlock()
	return q.fill(into[:0])
}

// more adds what waits to a group, up to its bounds.
func (q *queue) more(group []*job) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fill(group)
}

func (q *queue) fill(group []*job) []*job {
	had := 0
	for _, j := range group {
		had += j.size
	}
	n, size := 0, 0
	for _, j := range q.jobs {
		if count := len(group) + n; count == groupBatches || count > 0 && had+size+j.size > groupBytes {
			break
		}
		j.taken = true
		size += j.size
		n++
	}
	group = append(group, q.jobs[:n]...)
	rest := copy(q.jobs, q.jobs[n:])
	clear(q.jobs[rest:])
	q.jobs = q.jobs[:rest]
	q.bytes -= size
	return group
}

// close ends the queue; who waits gets ErrClosed.
func (q *queue) close() {
	q.mu.Lock()
	waiting := q.jobs
	q.jobs, q.bytes, q.closed = nil, 0, true
	for _, j := range waiting {
		j.taken = true
	}
	q.mu.Unlock()
	for _, j := range waiting {
		j.answer(deed.ErrClosed)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (j *job) answer(err error) {
	j.err = err
	j.done <- struct{}{}
}
