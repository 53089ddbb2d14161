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
