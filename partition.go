package deed

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// partition is which of a part's keys are meant: those whose hash says so. The stores know each partition as a part, or a view,
// of its own.
type partition struct {
	index, of int // of 1: all keys
}

// partitions are those that a part is cut into; 0 is 1.
func partitions(of int) []partition {
	all := make([]partition, max(of, 1))
	for i := range all {
		all[i] = partition{index: i, of: len(all)}
	}
	return all
}

// name is what a store knows the partition of a part by: a part that is not cut, by the part's own.
func (p partition) name(part string) string {
	if p.of <= 1 {
		return part
	}
	return fmt.Sprintf("%s.%dof%d", part, p.index, p.of)
}

// partOf is the name of the part that a store knows by this one.
func partOf(name string) string {
	part, _, _ := strings.Cut(name, ".") // there is none in the name of a part
	return part
}

// has tells whether a key is the partition's: by the 64-bit FNV-1a of the key, which must never be another.
func (p partition) has(key string) bool {
	if p.of <= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return h.Sum64()%uint64(p.of) == uint64(p.index)
}

// partitionOf is the partition that a key is in.
func partitionOf(key string, of int) partition {
	for _, p := range partitions(of) {
		if p.has(key) {
			return p
		}
	}
	return partition{of: of}
}

// standardPartitions is into how many an Async projection is cut that says nothing: tests run those of such projections again, cut.
var standardPartitions = 1

// cut is into how many partitions the rows are cut.
func (p Projection[V, E]) cut() int {
	if p.Partitions == 0 && p.Mode.or() == Async {
		return standardPartitions
	}
	return max(p.Partitions, 1)
}

func checkPartitions(n int) error {
	if n < 0 || n > maxPartitions {
		return fmt.Errorf("Partitions: must be 0 to %d", maxPartitions)
	}
	return nil
}

const maxPartitions = 64
