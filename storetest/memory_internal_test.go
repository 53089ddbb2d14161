package storetest

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/deed-es/deed"
)

// A memory is an engine made of the model, by which the suite is tried without a database. What has to outlive Close is in
// its disk.
type memory struct {
	*disk
	clock  deed.Clock
	closed chan struct{}
	folding
}

type disk struct {
	mu     sync.Mutex
	model  *model
	parts  partModel
	leases leaseModel
	inline *memoryViews
	beside *memoryViews
	news   chan struct{} // closed with each append
	number string
}

// disks are where opened Dirs are found again.
type disks struct {
	mu    sync.Mutex
	found map[string]*disk
}

func newDisks() *disks { return &disks{found: map[string]*disk{}} }

func (d *disks) open(c Config) *memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.found[c.Dir]
	if found == nil {
		found = &disk{
			model: newModel(c.Clock, deed.Limits{}), parts: newPartModel(), leases: newLeaseModel(), inline: newMemoryViews(), beside: newMemoryViews(),
			news: make(chan struct{}), number: c.Dir,
		}
		d.found[c.Dir] = found
	}
	found.model.limits.MaxEvent = c.MaxEvent
	return &memory{disk: found, clock: c.Clock, closed: make(chan struct{}), folding: newFolding()}
}

func (m *memory) Close() error {
	close(m.closed)
	return nil
}

func (m *memory) Info() deed.LogInfo { return deed.LogInfo{ID: m.number, Incarnation: 1} }
func (m *memory) Clock() deed.Clock  { return m.clock }

// enter takes the lock, unless the store is closed or the context has ended.
func (m *memory) enter(ctx context.Context) error {
	select {
	case <-m.closed:
		return deed.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

func (m *memory) Head(ctx context.Context) (deed.Position, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.model.head(), nil
}

func (m *memory) Append(ctx context.Context, b deed.Batch) (deed.Receipt, error) {
	if err := m.enter(ctx); err != nil {
		return deed.Receipt{}, err
	}
	defer m.mu.Unlock()
	receipt, err := m.appendFolded(b)
	close(m.news)
	m.news = make(chan struct{})
	return receipt, err
}

func (m *memory) Outcome(ctx context.Context, ref deed.CommandRef) (deed.Receipt, bool, error) {
	if err := m.enter(ctx); err != nil {
		return deed.Receipt{}, false, err
	}
	defer m.mu.Unlock()
	return m.model.outcome(ref)
}

func (m *memory) Forget(ctx context.Context, t time.Time) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.model.forget(t, func(id string) bool { return m.parts.keeps(id, t) })
	return nil
}

// page is a piece of a read: what is selected among the next hundreds of records, where that ended, and what to wait for.
func (m *memory) page(ctx context.Context, q deed.Query) (records []deed.Record, end deed.Position, news <-chan struct{}, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, 0, nil, err
	}
	defer m.mu.Unlock()
	if !q.Follow {
		records, err = m.model.read(q)
		return records, 0, nil, err
	}
	log := m.model.records
	end = min(q.After+700, m.model.head())
	if q.After < end {
		records = selected(log[q.After:end], q)
	}
	if end == m.model.head() {
		news = m.news
	}
	return records, end, news, nil
}

func (m *memory) Read(ctx context.Context, q deed.Query) iter.Seq2[deed.Record, error] {
	return func(yield func(deed.Record, error) bool) {
		if err := q.Validate(); err != nil {
			yield(deed.Record{}, err)
			return
		}
		if err := m.read(ctx, q, func(r deed.Record) bool { return yield(r, nil) }); err != nil {
			yield(deed.Record{}, err)
		}
	}
}

// read gives records until there are no more or give says so, and returns the error that is yielded last.
func (m *memory) read(ctx context.Context, q deed.Query, give func(deed.Record) bool) error {
	given := 0
	for {
		records, end, news, err := m.page(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := m.over(ctx); err != nil {
				return err
			}
			if given++; !give(r) || given == q.Limit {
				return nil
			}
		}
		if !q.Follow {
			return nil
		}
		q.After = max(end, q.After)
		if q.Marks && !give(deed.Record{Position: q.After}) {
			return nil
		}
		if news == nil {
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-m.closed:
			return deed.ErrClosed
		}
	}
}

func (m *memory) over(ctx context.Context) error {
	select {
	case <-m.closed:
		return deed.ErrClosed
	default:
		return ctx.Err()
	}
}
