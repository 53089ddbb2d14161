package deed_test

import (
	"context"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	"github.com/deed-es/deed/sqlite"
)

// check ends an example that something is wrong with.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// openExample opens a log in memory, with a clock that is moved by hand.
func openExample() (*sqlite.DB, *deedtest.Clock) {
	clock := deedtest.NewClock(deedtest.Start)
	db, err := sqlite.OpenMemory(&sqlite.Options{Clock: clock})
	check(err)
	return db, clock
}

// runExample runs a service of parts over db until it is stopped.
func runExample(db *sqlite.DB, parts ...deed.Part) (service *deed.Service, stop func()) {
	service, err := deed.NewService(deed.Config{Store: db, Views: db}, parts...)
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()
	return service, func() {
		cancel()
		check(<-ended)
		check(db.Close())
	}
}
