package sqlite_test

// The workloads that the power is cut under. Each is recorded once; the cuts are spread over its moments.
func workloads() []workload {
	return []workload{
		{"a new log", func(r *recorder) { r.appenders(2, 3, 10) }},
		{"many appenders", func(r *recorder) { r.appenders(8, 5, 100) }},
		{"large events", func(r *recorder) { r.appenders(2, 5, 9000) }},
		{"moved into the database", func(r *recorder) {
			r.below = r.below.WithWALPages(12)
			r.reopen()
			r.appenders(4, 15, 400)
		}},
		{"closed and opened", func(r *recorder) {
			for range 4 {
				r.appenders(2, 3, 50)
				r.reopen()
			}
		}},
		{"killed and opened", func(r *recorder) {
			for range 4 {
				r.appenders(2, 2, 50)
				r.dieAppending(r.batch("s-0", 1, 50), 1)
				r.open()
				r.retry()
			}
		}},
		{"flushes that fail", func(r *recorder) {
			for i := range 4 {
				r.appenders(2, 2, 50)
				r.failing(1+i, func() { r.ask(r.batch("s-0", 1, 50)) })
			}
			r.appenders(2, 2, 50)
		}},
		{"killed while flushes fail", func(r *recorder) {
			for i := range 4 {
				r.appenders(2, 2, 50)
				r.dieAppending(r.batch("s-1", 1, 50), 2+i)
				r.open()
				r.retry()
			}
		}},
	}
}
