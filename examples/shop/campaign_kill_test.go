package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/mail/smtptest"
)

// postOffice keeps the Message-IDs of all mails that it is given, and lets a test act when there are so many.
type postOffice struct {
	mu    sync.Mutex
	ids   map[string][]string // by address
	total int
	at    int    // act when there are so many
	act   func() // before the mail is answered
}

func (p *postOffice) take(m smtptest.Message) error {
	p.mu.Lock()
	p.ids[m.To] = append(p.ids[m.To], m.Get("Message-ID"))
	p.total++
	act := p.act
	if p.total != p.at {
		act = nil
	}
	p.mu.Unlock()
	if act != nil {
		act()
	}
	return nil
}

// after acts when there are more mails by n.
func (p *postOffice) after(n int, act func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.act = p.total+n, act
}

// The shop is killed again and again while it sends: half of the times when the mail server has a mail and has not said so
// yet, so that the mail has to come again; the other times at some moment after it has answered. Every customer gets the
// mail, the log says so once, and a mail that comes again has the Message-ID that it had.
func TestACampaignIsSentOnceThoughTheShopIsKilled(t *testing.T) {
	kills, many := rounds(20, 4), rounds(120, 24) // customers: more than the kills can wait for
	office := &postOffice{ids: map[string][]string{}}
	addr := mailServer(t, smtptest.Options{Take: office.take})
	data := t.TempDir()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	launch := func() (*client, *exec.Cmd) { return startChild(t, "-data", data, "-smtp", addr) }

	c, cmd := launch()
	for i := range many {
		c.goldCustomer(i)
	}
	unanswered := 0
	var path string
	for kill := range kills {
		reached := make(chan struct{})
		victim := make(chan *os.Process, 1)
		act := func() { close(reached) }
		if kill%2 == 0 {
			unanswered++
			act = func() {
				_ = (<-victim).Kill()
				close(reached)
			}
		}
		office.after(1+random.IntN(4), act)
		if path == "" {
			path = c.campaign(customers.Gold)
		} else {
			_, cmd = launch()
		}
		victim <- cmd.Process
		select {
		case <-reached:
		case <-time.After(patience):
			t.Fatalf("kill %d: no mail came", kill+1)
		}
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}

	c, _ = launch()
	row, _ := c.awaitTotals(path, func(r campaigns.Row) bool { return r.Requested == many && r.Pending == 0 })
	if row.Sent != many || row.Failed != 0 || row.Skipped != 0 {
		t.Errorf("got %+v", row)
	}
	sent := map[string]string{} // address → Message-ID, by the log
	for _, r := range c.log("type=campaign-email-sent") {
		e := decode[campaigns.EmailSent](t, answer{body: r.Data})
		to := e.CustomerID + "@example.org"
		if sent[to] != "" {
			t.Errorf("customer %s is sent the mail twice, by the log", e.CustomerID)
		}
		sent[to] = e.MessageID
	}
	if n := len(c.log("type=campaign-email-requested")); len(sent) != many || n != many {
		t.Errorf("%d requested and %d sent, want %d", n, len(sent), many)
	}
	office.mu.Lock()
	defer office.mu.Unlock()
	again, unique := 0, map[string]bool{}
	for to, ids := range office.ids {
		again += len(ids) - 1
		unique[ids[0]] = true
		for _, id := range ids {
			if id != sent[to] {
				t.Errorf("%s got a mail with the Message-ID %s, and the log says %s", to, id, sent[to])
			}
		}
	}
	if len(office.ids) != many || len(unique) != many {
		t.Errorf("%d customers got %d different mails, want %d", len(office.ids), len(unique), many)
	}
	if again < unanswered {
		t.Errorf("%d mails came again, and %d were not answered", again, unanswered)
	}
	t.Logf("killed %d times while it sent (random %d): %d customers, %d mails sent by the log, %d handed over, %d of them again under the same Message-ID",
		kills, seed, many, len(sent), office.total, again)
}

// goldCustomer makes a customer who is called by the id.
func (c *client) goldCustomer(i int) {
	c.t.Helper()
	for _, command := range [][2]string{
		{"register", `{"email":"g%d@example.org","firstName":"Ann","lastName":"Lee"}`},
		{"permit-email", `{"allowed":true}`},
		{"classify", `{"classification":"gold","totalValue":"5000","basedOn":"order-1"}`},
	} {
		body := command[1]
		if command[0] == "register" {
			body = fmt.Sprintf(body, i)
		}
		c.expect(c.do("POST", fmt.Sprintf("/api/commands/customer/g%d/%s", i, command[0]), body), 200, "")
	}
}
