package rates

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// ECBDaily is where the European Central Bank publishes its reference rates, on working days at about 16:00 CET.
const ECBDaily = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"

const (
	maxBytes = 1 << 20          // the file has some 2 KiB
	timeout  = 10 * time.Second // for one answer
	freshFor = time.Hour        // how long an answer is used again
)

// ECB asks the European Central Bank. It knows the newest rate only, and says of which day that is. An answer is used for
// an hour.
type ECB struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex // one question at a time
	last  Rate
	asked time.Time // when last came; zero: never
}

// NewECB returns an ECB that reads the file at url; ECBDaily is the real one.
func NewECB(url string) *ECB {
	return &ECB{url: url, client: &http.Client{Timeout: timeout}, now: time.Now}
}

// USD returns the newest rate, of whichever day.
func (e *ECB) USD(ctx context.Context, _ time.Time) (Rate, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if age := e.now().Sub(e.asked); !e.asked.IsZero() && age >= 0 && age < freshFor {
		return e.last, nil
	}
	data, err := e.fetch(ctx)
	if err != nil {
		return Rate{}, err
	}
	rate, err := parse(data)
	if err != nil {
		return Rate{}, err
	}
	e.last, e.asked = rate, e.now()
	return rate, nil
}

func (e *ECB) fetch(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", e.url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", e.url, err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("get %s: the answer is longer than %d bytes", e.url, maxBytes)
	}
	return data, nil
}
