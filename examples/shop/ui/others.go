package ui

import (
	"encoding/json"
	"slices"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/mail"
)

// overviewPage is what one wants to see first.
type overviewPage struct {
	Lag      lag
	Shares   []analysis.Share
	Requests *listing
	Orders   *listing
}

// overviewRows is how many rows of each list the first page has.
const overviewRows = 5

func (s *site) overview(v *visit) error {
	if err := v.only(); err != nil {
		return err
	}
	p := overviewPage{}
	var err error
	if p.Requests, err = s.listing(v, requestList, overviewRows); err != nil {
		return err
	}
	if p.Orders, err = s.listing(v, orderList, overviewRows); err != nil {
		return err
	}
	if p.Lag, err = v.reach(analysis.ClassificationsView.Name); err != nil {
		return err
	}
	shares, err := s.Service.Views().List(v.Context(), analysis.ClassificationsView.Name, nil, deed.Page{}, 0)
	if err != nil {
		return err
	}
	for _, r := range shares.Rows {
		var share analysis.Share
		if err := json.Unmarshal(r.Row, &share); err != nil {
			return err
		}
		p.Shares = append(p.Shares, share)
	}
	slices.SortFunc(p.Shares, func(a, b analysis.Share) int {
		return slices.Index(worth, string(b.Classification)) - slices.Index(worth, string(a.Classification))
	})
	return v.show(page{Title: "Overview", Section: "overview", Content: "overview", Data: p})
}

// worth is the classes of customers, the least first.
var worth = []string{"bronze", "silver", "gold"}

// mailboxPage is a page of the mails that were sent.
type mailboxPage struct {
	Away    bool // mail goes to a mail server
	Mails   []mail.Kept
	Count   int // of all that are kept
	Earlier int
	Pager   pager
}

func (s *site) mailbox(v *visit) error {
	if err := v.only("from"); err != nil {
		return err
	}
	p := mailboxPage{Away: s.Mailbox == nil}
	if !p.Away {
		contents := s.Mailbox.Contents()
		p.Mails, p.Earlier = contents.Mails, contents.Earlier
	}
	here, after := path("mailbox"), 0
	if from := v.query.Get("from"); from != "" {
		i := slices.IndexFunc(p.Mails, func(m mail.Kept) bool { return m.MessageID == from })
		if i < 0 {
			return missing("this part of the mailbox is gone; begin with its newest mails")
		}
		after, p.Pager.First, p.Pager.Newer = i+1, here, here
		if i >= pageRows {
			p.Pager.Newer = withQuery(here, with(nil, "from", p.Mails[i-pageRows].MessageID))
		}
	}
	p.Count = len(p.Mails)
	p.Mails = p.Mails[after:]
	if len(p.Mails) > pageRows {
		p.Mails = p.Mails[:pageRows]
		p.Pager.Older = withQuery(here, with(nil, "from", p.Mails[pageRows-1].MessageID))
	}
	return v.show(page{Title: "Mailbox", Section: "mailbox", Content: "mailbox", Data: p})
}

// aboutPage is how the service is doing.
type aboutPage struct {
	deed.Status
}

func (s *site) about(v *visit) error {
	if err := v.only(); err != nil {
		return err
	}
	status, err := s.Service.Status(v.Context())
	if err != nil {
		return err
	}
	return v.show(page{Title: "About", Section: "about", Content: "about", Data: aboutPage{Status: status}})
}
