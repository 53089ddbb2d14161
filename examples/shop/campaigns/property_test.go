package campaigns_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/deed-es/deed"
	. "github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/shoptest"
)

func FuzzCampaigns(f *testing.F) {
	for n := range uint64(10) {
		f.Add(shoptest.Made(4, n, 10*int(n)))
	}
	f.Fuzz(checkCampaigns)
}

func TestLongHistoriesOfCampaigns(t *testing.T) {
	for n := range uint64(4) {
		t.Run(fmt.Sprint("seed ", 100+n), func(t *testing.T) { checkCampaigns(t, shoptest.Made(4, 100+n, 500)) })
	}
}

// Whatever is asked of campaigns and their mails, in whatever order: the laws of package shoptest hold, what became of a
// mail is known once, and the totals add up.
func checkCampaigns(t *testing.T, data []byte) {
	t.Helper()
	d := shoptest.Thrown(data)
	log := shoptest.NewLog(t, d)
	shoptest.Decider(log, Decider)
	shoptest.Decision(log, Mailing)
	for d.Next() {
		if id := d.ID(shoptest.Campaigns); d.Chance(25) {
			_ = log.Do(Decider.Send(id, d.Campaign()))
		} else {
			_ = log.Do(Mailing.Send(id, d.Mail()))
		}
	}
	if got, want := shoptest.Rows(log, View), checkMails(t, log.Records); !maps.Equal(got, want) {
		t.Errorf("the campaigns are\n%+v, want\n%+v", got, want)
	}
}

type mailOf struct{ campaign, customer string }

// checkMails goes through what happened, and returns the campaigns as they are in the end.
func checkMails(t *testing.T, records []deed.Recorded[deed.Event]) map[string]Row {
	t.Helper()
	all, steps, kinds := map[string]Row{}, map[mailOf]string{}, map[mailOf]map[string]bool{}
	for _, r := range records {
		id, at := r.Stream.ID(), r.Time.Format("2006-01-02T15:04:05.000000Z07:00")
		c, ok := all[id]
		// step says that the mail to a customer has come from one step to another.
		step := func(campaign, customer, from, to string) {
			mail := mailOf{id, customer}
			ok = ok && campaign == id && steps[mail] == from
			steps[mail] = to
		}
		switch e := r.Event.(type) {
		case Created:
			ok = !ok && e.CampaignID == id
			c = Row{ID: id, Name: e.Name, Classification: e.Classification, Subject: e.Subject, Status: StatusCreated, CreatedAt: at}
		case Started:
			ok = ok && c.Status == StatusCreated && e.CampaignID == id
			c.Status, c.StartedAt = StatusStarted, at
		case EmailRequested:
			step(e.CampaignID, e.CustomerID, "", "requested")
			ok = ok && c.Status == StatusStarted
			c.Requested++
		case EmailSent:
			step(e.CampaignID, e.CustomerID, "requested", "sent")
			c.Sent++
		case EmailFailed:
			step(e.CampaignID, e.CustomerID, "requested", "failed")
			c.Failed++
		case EmailSkipped:
			step(e.CampaignID, e.CustomerID, "requested", "skipped")
			c.Skipped++
		case EmailReacted:
			step(e.CampaignID, e.CustomerID, "sent", "sent")
			mail := mailOf{id, e.CustomerID}
			ok = ok && !kinds[mail][e.Kind] && e.First == (len(kinds[mail]) == 0)
			if kinds[mail] == nil {
				kinds[mail] = map[string]bool{}
				c.Reacted++
			}
			kinds[mail][e.Kind] = true
		}
		if !ok {
			t.Errorf("%s at version %d: %T%+v cannot be; the campaign is %+v", r.Stream, r.Version, r.Event, r.Event, all[id])
		}
		all[id] = c
	}
	for mail, step := range steps {
		if step == "requested" {
			c := all[mail.campaign]
			c.Pending++
			all[mail.campaign] = c
		}
	}
	for _, c := range all {
		if c.Requested != c.Pending+c.Sent+c.Failed+c.Skipped || c.Reacted > c.Sent {
			t.Errorf("the totals do not add up: %+v", c)
		}
	}
	return all
}
