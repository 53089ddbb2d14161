package deed

import (
	"cmp"
	"maps"
	"slices"
)

// shares says which node is to have each of the leases. Every node finds that out for itself, and all find the same. Who has one keeps
// it, unless another that could have it has two fewer.
func (now Fleet) shares() map[string]string {
	load, wanters, to := map[string]int{}, map[string][]string{}, map[string]string{}
	for _, n := range now.Nodes {
		load[n.ID] = 0
		for _, name := range n.Wants {
			wanters[name] = append(wanters[name], n.ID)
		}
	}
	for _, l := range now.Leases {
		if _, there := load[l.Node]; there {
			to[l.Part] = l.Node
			load[l.Node]++
		}
	}
	leases := slices.Sorted(maps.Keys(wanters))
	least := func(name string) string {
		return slices.MinFunc(wanters[name], func(a, b string) int { return cmp.Or(cmp.Compare(load[a], load[b]), cmp.Compare(a, b)) })
	}
	for _, name := range leases {
		if to[name] == "" {
			to[name] = least(name)
			load[to[name]]++
		}
	}
	for {
		best, most := "", 1
		for _, name := range leases {
			if more := load[to[name]] - load[least(name)]; more > most {
				best, most = name, more
			}
		}
		if best == "" {
			return to
		}
		load[to[best]]--
		to[best] = least(best)
		load[to[best]]++
	}
}
