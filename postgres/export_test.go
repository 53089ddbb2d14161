package postgres

// LockKey is a log's advisory lock.
var LockKey = lockKey
