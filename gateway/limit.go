package gateway

import (
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter lets each caller make so many requests per second.
type limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	callers map[string]*rate.Limiter
}

// maxCallers is how many callers are remembered before those are forgotten that have used nothing of what they may.
const maxCallers = 10_000

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, callers: map[string]*rate.Limiter{}}
}

// admit returns how long the caller has to wait; 0: it may go on.
func (l *limiter) admit(caller string) time.Duration {
	now := time.Now()
	reserved := l.of(caller, now).ReserveN(now, 1)
	delay := reserved.DelayFrom(now)
	if delay > 0 {
		reserved.CancelAt(now)
	}
	return delay
}

func (l *limiter) of(caller string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.callers[caller]; ok {
		return known
	}
	if len(l.callers) >= maxCallers {
		l.forget(now)
	}
	added := rate.NewLimiter(l.rate, l.burst)
	l.callers[caller] = added
	return added
}

// forget drops callers whose limit is full again. Where all are busy, any one goes, so that memory stays bounded.
func (l *limiter) forget(now time.Time) {
	for caller, known := range l.callers {
		if known.TokensAt(now) >= float64(l.burst) {
			delete(l.callers, caller)
		}
	}
	for caller := range l.callers {
		if len(l.callers) < maxCallers {
			return
		}
		delete(l.callers, caller)
	}
}

// limit counts the call against what its actor may do, or its address where there is no actor.
func (c *Call) limit() error {
	l := c.gateway.limiter
	if l == nil {
		return nil
	}
	caller := "actor " + c.actor
	if c.actor == "" {
		host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
		if err != nil {
			host = c.Request.RemoteAddr
		}
		caller = "address " + host
	}
	delay := l.admit(caller)
	if delay == 0 {
		return nil
	}
	return &Problem{
		Status: http.StatusTooManyRequests, Code: "too-many-requests", Detail: "more requests per second than allowed",
		retryAfter: int(math.Ceil(delay.Seconds())),
	}
}

func setRetryAfter(h http.Header, seconds int) {
	if seconds > 0 {
		h["Retry-After"] = []string{strconv.Itoa(seconds)}
	}
}
