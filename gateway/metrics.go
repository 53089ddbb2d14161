package gateway

import "net/http"

// metrics is the route of Options.Metrics.
func metrics(from http.Handler) Route {
	return Route{
		Method: http.MethodGet, Pattern: "/metrics", kind: kindPlain, fleeting: true, Summary: "what is measured, in Prometheus' text format",
		Query: []Parameter{}, Answers: map[int]any{200: Content("text/plain")},
		Handle: func(c *Call) error {
			c.Writer.Header()["Cache-Control"] = noStore
			from.ServeHTTP(c.Writer, c.Request)
			return nil
		},
	}
}
