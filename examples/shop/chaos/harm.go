package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// harm is something that is done to the processes or to the server, and how it ends.
type harm struct {
	kind  string
	what  string
	lasts time.Duration
	hit   func(ctx context.Context) error
	heal  func(ctx context.Context) error
}

// The kinds of harm, as they are counted.
const (
	killed      = "processes killed"
	stoppedLong = "processes stopped for longer than their lease"
	stoppedOnce = "processes stopped for less"
	ended       = "processes ended by SIGTERM"
	crashed     = "the server ended as by a crash"
	shut        = "the server shut and started"
	cut         = "connections of a process, or of all, cut off by the server"
)

var kinds = []string{killed, stoppedLong, stoppedOnce, ended, crashed, shut, cut}

// within is a random time of at most d.
func (h *harness) within(d time.Duration) time.Duration {
	return time.Duration(h.random.Int64N(int64(d)))
}

// pick picks what is done in a round: something to a process, or to the server, or now and then to two of them.
func (h *harness) pick() []harm {
	order := h.random.Perm(len(h.nodes))
	first, second := h.nodes[order[0]], h.nodes[order[1]]
	switch chance := h.random.IntN(12); {
	case chance < 5:
		return []harm{h.toNode(first)}
	case chance < 7:
		return []harm{h.toNode(first), h.toNode(second)}
	case chance < 9:
		return []harm{h.toNode(first), h.toServer()}
	default:
		return []harm{h.toServer()}
	}
}

func (h *harness) toNode(n *node) harm {
	switch chance := h.random.IntN(9); {
	case chance < 4: // it is back before its leases are over, or after
		return harm{
			kind: killed, what: n.name + " is killed", lasts: h.within(2 * h.lease),
			hit:  func(context.Context) error { n.kill(); return nil },
			heal: n.start,
		}
	case chance < 7:
		return h.stop(n, stoppedLong, h.lease+h.lease/4+h.within(h.lease))
	case chance < 8:
		return h.stop(n, stoppedOnce, h.within(h.lease*3/4))
	default:
		return harm{
			kind: ended, what: n.name + " is told to end", lasts: h.within(h.lease),
			hit:  func(context.Context) error { return n.term() },
			heal: n.start,
		}
	}
}

func (h *harness) stop(n *node, kind string, lasts time.Duration) harm {
	return harm{
		kind: kind, what: fmt.Sprintf("%s is stopped for %.1fs", n.name, lasts.Seconds()), lasts: lasts,
		hit:  func(context.Context) error { return n.shop.Signal(stopped) },
		heal: func(context.Context) error { return n.shop.Signal(continued) },
	}
}

func (h *harness) toServer() harm {
	switch chance := h.random.IntN(5); {
	case chance < 2:
		return harm{
			kind: crashed, what: "the server crashes", lasts: h.within(h.lease),
			hit:  func(context.Context) error { return h.server.crash() },
			heal: h.server.start,
		}
	case chance < 3:
		return harm{
			kind: shut, what: "the server is shut", lasts: h.within(h.lease),
			hit:  func(context.Context) error { return h.server.shut() },
			heal: h.server.start,
		}
	default:
		return harm{kind: cut, what: "connections are cut off", hit: h.cutOff, heal: func(context.Context) error { return nil }}
	}
}

// cutOff has the server end connections, each with an even chance.
func (h *harness) cutOff(ctx context.Context) error {
	_, err := h.server.ask(ctx, fmt.Sprintf(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = 'deed' AND hashint8(pid + %d) %% 2 = 0`, h.random.IntN(1000)))
	return err
}

// faults are that a process has ended by itself, or an answer that no client should get.
func (h *harness) faults() error {
	var errs []error
	for _, n := range h.nodes {
		errs = append(errs, n.fault())
	}
	for _, c := range h.clients {
		select {
		case err := <-c.faults:
			errs = append(errs, err)
		default:
		}
	}
	return errors.Join(errs...)
}
