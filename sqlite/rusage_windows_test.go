package sqlite_test

import (
	"testing"
	"time"
)

func processTime(t *testing.T) time.Duration {
	t.Helper()
	t.Skip("is measured where getrusage is")
	return 0
}
