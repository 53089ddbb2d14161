package rates

import (
	"context"
	_ "embed"
	"time"
)

//go:embed offline.xml
var offlineXML []byte

// Offline is the rate that the shop is shipped with, for when there is no network. It says of which day it is.
type Offline struct{ rate Rate }

// NewOffline reads the table that the shop is shipped with.
func NewOffline() (Offline, error) {
	rate, err := parse(offlineXML)
	return Offline{rate}, err
}

// USD returns the rate that the shop is shipped with, whatever the day.
func (o Offline) USD(context.Context, time.Time) (Rate, error) { return o.rate, nil }
