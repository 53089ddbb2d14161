package mail

import (
	"context"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
)

// Rows lists customers; *deed.View[customers.Overview] does.
type Rows interface {
	List(ctx context.Context, where []deed.Where, page deed.Page, after deed.Position) (deed.Rows[customers.Overview], error)
}

const (
	pageSize = 1000
	// listWithin is how long a page may take, waiting for the view included; then it is tried again, and told why.
	listWithin = 30 * time.Second
)

// Audience answers a started campaign with a request for a mail to each customer of its class who permits mail, as the view
// of the customers has them when it has come as far as the start. All requests are stored at once with the reactor's mark:
// where it is called twice for a start, nothing had come of the first call.
func Audience(log deed.Store, view Rows) deed.Reactor[campaigns.Event] {
	load := campaigns.Decider.Handler(log).Load
	return deed.Reactor[campaigns.Event]{
		Name:   "audience",
		Events: []campaigns.Event{campaigns.Started{}},
		React: func(ctx context.Context, r deed.Recorded[campaigns.Event], _ string) ([]deed.Effect, error) {
			id := r.Stream.ID()
			campaign, _, err := load(ctx, id)
			if err != nil {
				return nil, err
			}
			return requests(ctx, view, id, campaign.Classification, r.Position)
		},
		From: deed.FromNow(), // a shop that is told to send mail from today on does not send that of before
	}
}

// requests asks for a mail to each customer of a class who permits mail. An effect is named for the customer, so that its id
// does not hang on the order of the list.
func requests(ctx context.Context, view Rows, campaign string, class customers.Classification, after deed.Position) ([]deed.Effect, error) {
	where := []deed.Where{{Field: "classification", Value: string(class)}, {Field: "emailAllowed", Value: true}}
	page := deed.Page{Limit: pageSize}
	var effects []deed.Effect
	for {
		rows, err := list(ctx, view, where, page, after)
		if err != nil {
			return nil, err
		}
		for _, row := range rows.Rows {
			effects = append(effects, campaigns.Mailing.Send(campaign, campaigns.RequestMail{CustomerID: row.Key}).Named(row.Key))
		}
		if page.Cursor = rows.Next; page.Cursor == "" {
			return effects, nil
		}
	}
}

func list(ctx context.Context, view Rows, where []deed.Where, page deed.Page, after deed.Position) (deed.Rows[customers.Overview], error) {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	return view.List(ctx, where, page, after)
}
