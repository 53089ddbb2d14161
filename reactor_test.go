package deed_test

import (
	"context"

	"github.com/deed-es/deed"
)

func noReaction(context.Context, deed.Recorded[deed.Event], string) ([]deed.Effect, error) {
	return nil, nil
}
