package deed

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
)

// A loop that is told to wait while it is about to begin does not begin, and the word said last counts.
func TestPauseIsNotLost(t *testing.T) {
	p := newBoard(slog.New(slog.DiscardHandler)).add("part", kindTask, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	lost := 0
	running.Go(func() {
		_ = p.keep(ctx, func(ctx context.Context) error {
			p.board.mu.Lock()
			if p.paused && ctx.Err() == nil {
				lost++
			}
			p.board.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		})
	})
	for said := Position(1); said < 20_000; said++ {
		p.pause(said%2 == 1, said)
		for range 10 {
			runtime.Gosched()
		}
	}
	cancel()
	running.Wait()
	if lost > 0 {
		t.Errorf("it began %d times though it was to wait", lost)
	}
	p.pause(false, 20_002)
	p.pause(true, 20_001) // by a goroutine that comes late
	if p.paused {
		t.Error("it waits, though it was told to go on after that")
	}
}
