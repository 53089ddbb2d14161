package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/deed-es/deed"
)

// A frail is a memory that makes calls below it which can be spoilt: to open it and to change it, a write and then a flush.
// What was not flushed in the end is there or not, in turn, and told to be unknown.
type frail struct {
	*memory
	*memoryViews
	ground *frailGround
}

// frailGround is what a frail stands on. It outlives its process.
type frailGround struct {
	memories *disks
	views    *memoryViews
	flaw     frailFlaw

	mu      sync.Mutex
	left    int           // calls until one is spoilt, counted on below 0
	fault   Fault         // of that one
	struck  chan struct{} // nil: no call is spoilt
	unknown int           // changes
	broken  bool          // a call was spoilt since the store was opened
	failed  bool          // an opening was spoilt
}

// frailFlaw is what a frail does wrong. Each of its functions takes the place of what is right if it is not nil.
type frailFlaw struct {
	// unflushed is what becomes of a change whose flush failed, and what is answered.
	unflushed func(f *frail, change any, do func() error) error
	// opens is asked before an opening.
	opens func(g *frailGround, c Config) error
	// appends is how events are stored.
	appends func(f *frail, ctx context.Context, b deed.Batch) (deed.Receipt, error)
	// steps is how a part's step is stored.
	steps func(f *frail, ctx context.Context, c deed.PartCommit) error
	// sulks: once something has failed, everything does until the store is opened again.
	sulks bool
}

var errBelow = errors.New("what is below failed")

// openFrail opens memories that have a flaw; the zero flaw is none.
func openFrail(flaw frailFlaw) func(Config) (Faults, func() (deed.Engine, error)) {
	return func(c Config) (Faults, func() (deed.Engine, error)) {
		g := &frailGround{memories: newDisks(), views: newMemoryViews(), flaw: flaw}
		return g, func() (deed.Engine, error) { return g.open(c) }
	}
}

func (g *frailGround) open(c Config) (deed.Engine, error) {
	if g.flaw.opens != nil {
		if err := g.flaw.opens(g, c); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(g.call(), g.call()); err != nil {
		g.failed = true
		return nil, err
	}
	g.broken = false
	return &frail{memory: g.memories.open(c), memoryViews: g.views, ground: g}, nil
}

func (g *frailGround) Spoil(n int, f Fault) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.fault, g.struck = n, f, make(chan struct{})
	return g.struck
}

func (g *frailGround) Mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.struck = nil
}

// call is a call to what is below.
func (g *frailGround) call() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.struck == nil {
		return nil
	}
	if g.left--; g.left == 0 {
		close(g.struck)
	}
	last := map[Fault]int{FailOnce: 0, FailThrice: -2, Die: g.left}[g.fault]
	if g.left > 0 || g.left < last {
		return nil
	}
	g.broken = true
	return errBelow
}

// change does a change of the store: not at all if it cannot be written, and who knows if it cannot be flushed.
func (f *frail) change(change any, do func() error) error {
	g := f.ground
	if g.flaw.sulks && g.broken {
		return errBelow
	}
	if err := g.call(); err != nil {
		return err
	}
	if err := g.call(); err != nil {
		if g.flaw.unflushed != nil {
			return g.flaw.unflushed(f, change, do)
		}
		if g.unknown++; g.unknown%2 == 0 {
			if err := do(); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %w", deed.ErrUnknown, err)
	}
	return do()
}

func (f *frail) Close() error { return f.memory.Close() }

func (f *frail) Append(ctx context.Context, b deed.Batch) (receipt deed.Receipt, err error) {
	err = f.change(b, func() (err error) {
		if f.ground.flaw.appends != nil {
			receipt, err = f.ground.flaw.appends(f, ctx, b)
			return err
		}
		receipt, err = f.memory.Append(ctx, b)
		return err
	})
	return receipt, err
}

func (f *frail) OpenPart(ctx context.Context, spec deed.PartSpec) (state deed.PartState, err error) {
	if spec.Look {
		return f.memory.OpenPart(ctx, spec)
	}
	err = f.change(spec, func() (err error) {
		state, err = f.memory.OpenPart(ctx, spec)
		return err
	})
	return state, err
}

func (f *frail) CommitPart(ctx context.Context, c deed.PartCommit) error {
	return f.change(c, func() error {
		if f.ground.flaw.steps != nil {
			return f.ground.flaw.steps(f, ctx, c)
		}
		return f.memory.CommitPart(ctx, c)
	})
}

func (f *frail) FinishEffects(ctx context.Context, ids []string) error {
	return f.change(ids, func() error { return f.memory.FinishEffects(ctx, ids) })
}

func (f *frail) CommitView(ctx context.Context, c deed.ViewCommit) error {
	return f.change(c, func() error { return f.memoryViews.CommitView(ctx, c) })
}

func (f *frail) OpenView(ctx context.Context, spec deed.ViewSpec) (at deed.Checkpoint, err error) {
	err = f.change(spec, func() (err error) {
		at, err = f.memoryViews.OpenView(ctx, spec)
		return err
	})
	return at, err
}
