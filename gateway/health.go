package gateway

import (
	"net/http"

	"github.com/deed-es/deed"
)

// alive answers GET /healthz: the process answers.
func (g *Gateway) alive(c *Call) error {
	return c.Reply(http.StatusOK, aliveAnswer{Status: "alive"})
}

// ready answers GET /readyz: the store answers, every part runs, and no view is further behind than it may be.
func (g *Gateway) ready(c *Call) error {
	status, err := g.service.Status(c.Context())
	if err != nil {
		return err
	}
	answer := readyAnswer{Status: "ready", Position: status.Head, Parts: []partAnswer{}}
	unready := []partAnswer{}
	for _, p := range status.Parts {
		part := partOf(p)
		answer.Parts = append(answer.Parts, part)
		if !p.Ready {
			unready = append(unready, part)
		}
	}
	if len(unready) > 0 {
		return &Problem{
			Status: http.StatusServiceUnavailable, Code: "not-ready", Detail: "some parts do not run, or views are too far behind",
			More: map[string]any{"parts": unready}, retryAfter: 1,
		}
	}
	return c.Reply(http.StatusOK, answer)
}

func partOf(p deed.PartStatus) partAnswer {
	return partAnswer{
		Name: p.Name, Kind: p.Kind, Version: p.Version, State: p.State, Ready: p.Ready, Read: p.Read,
		Position: p.Position, Lag: p.Lag, Behind: p.Behind.Seconds(),
	}
}
