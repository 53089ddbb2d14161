package main

import (
	"strings"

	"github.com/deed-es/deed"
)

// broken is an order of which nothing can be read: past the shop, somebody wrote into its log.
const broken = "order-broken"

func (r *rehearsal) writeBroken() {
	r.t.Helper()
	e := deed.NewEvent{ID: "broken", Type: "order-placed", Data: []byte(`{"quantity":"x"}`)}
	_, err := r.store.Append(r.t.Context(), deed.Batch{Writes: []deed.Write{{Stream: broken, Events: []deed.NewEvent{e}}}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.settle()
}

// steered pauses, resumes and rebuilds a view, and has its version be read.
func (k *contract) steered() {
	k.t.Helper()
	for _, what := range []string{"pause", "resume", "rebuild"} {
		o := k.operation("post.api.parts.part." + what)
		k.expect(k.ask(o, o.filled(map[string]string{"part": "orders"}), ""), 200, "")
		k.settle()
	}
	k.expect(k.ask(k.operation("post.api.parts.part.rebuild"), "/api/parts/confirmation/rebuild", ""), 422, "invalid")
	o := k.operation("post.api.parts.part.switch")
	k.expect(k.ask(o, "/api/parts/orders/switch", `{"version":1}`), 200, "")
	k.expect(k.ask(o, "/api/parts/orders/switch", `{"version":2}`), 422, "invalid")
	compared := k.operation("get.api.parts.part.compare")
	k.expect(k.ask(compared, "/api/parts/orders/compare?left=1&right=1", ""), 200, "")
	state := k.operation("state.order")
	k.expect(k.ask(state, "/api/state/order/o1?version=1", ""), 200, "")
	k.expect(k.ask(state, "/api/state/order/o1?version=99", ""), 404, "not-found")
	k.expect(k.ask(k.operation("get.orders.search"), "/orders/search?q=tea&limit=1", ""), 200, "")
}

// parked looks at what the broken order made parts hold back, tries it again in vain, and skips it.
func (k *contract) parked() {
	k.t.Helper()
	list := k.operation("get.api.parked")
	held := decode[struct {
		Parked []struct {
			Part, Key, Stream string
			Unrouted          bool
		}
	}](k.t, k.expect(k.ask(list, "/api/parked", ""), 200, "")).Parked
	if len(held) < 4 {
		k.t.Errorf("%d keys are parked: %+v", len(held), held)
	}
	for _, p := range held {
		if p.Stream != broken {
			k.t.Errorf("%+v is parked, and not of %s", p, broken)
		}
		for _, what := range []string{"retry", "skip"} {
			o := k.operation("post.api.parked.part.key." + what)
			path := o.filled(map[string]string{"part": p.Part, "key": p.Key})
			if p.Unrouted {
				path += "?unrouted=true"
			}
			k.expect(k.ask(o, path, ""), 200, "")
			k.settle()
		}
	}
	if left := k.expect(k.do("GET", "/api/parked", ""), 200, ""); !strings.Contains(string(left.body), `"parked":[]`) {
		k.t.Errorf("what was skipped is still parked: %s", left)
	}
}
