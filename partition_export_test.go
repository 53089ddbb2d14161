package deed

// SetPartitions has Async projections that say nothing be cut into so many partitions.
func SetPartitions(n int) { standardPartitions = n }

// PartitionOf is which of so many partitions a key is in.
func PartitionOf(key string, of int) int { return partitionOf(key, of).index }
