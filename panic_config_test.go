package deed_test

import (
	"context"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
)

// What a service is given beside its parts, each of which may panic.

type riskyCodec struct{}

func (riskyCodec) Encode(_ context.Context, _ deed.StreamID, e deed.NewEvent) (deed.NewEvent, error) {
	may("Encode of the codec")
	return e, nil
}

func (riskyCodec) Decode(_ context.Context, r deed.Record) (deed.Record, error) {
	may("Decode of the codec")
	return r, nil
}

func (riskyCodec) Tag(tag string) string {
	may("Tag of the codec")
	return tag
}

func riskyMiddleware(next deed.HandleFunc) deed.HandleFunc {
	return func(ctx context.Context, req deed.Request) (deed.Receipt, error) {
		may("Middleware")
		return next(ctx, req)
	}
}

func riskyID() string {
	may("NewID")
	return deed.NewID()
}

type riskyClock struct{ *deedtest.Clock }

func (c riskyClock) Now() time.Time {
	may("Now of the clock")
	return c.Clock.Now()
}

func (c riskyClock) Timer(at time.Time) (<-chan struct{}, func()) {
	may("Timer of the clock")
	return c.Clock.Timer(at)
}

type riskyObserver struct{}

func (riskyObserver) Begin(ctx context.Context, _ deed.Operation) (context.Context, func(error)) {
	may("Begin of the observer")
	return ctx, func(error) { may("end of the observer") }
}

func (riskyObserver) Wrote(deed.Group) { may("Wrote of the observer") }
