package campaigns_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	. "github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
)

var (
	spring    = Created{CampaignID: "42", Name: "spring", Classification: customers.Gold, Subject: "Tea", Body: "There is tea.\n"}
	started   = Started{CampaignID: "42"}
	requested = EmailRequested{CampaignID: "42", CustomerID: "7"}
	sent      = EmailSent{CampaignID: "42", CustomerID: "7", MessageID: "<m@x>"}
	failed    = EmailFailed{CampaignID: "42", CustomerID: "7", Reason: "no"}
	skipped   = EmailSkipped{CampaignID: "42", CustomerID: "7", Reason: "no"}
	opened    = EmailReacted{CampaignID: "42", CustomerID: "7", Kind: "opened", First: true}
)

// create is a Create with something changed.
func create(change func(*Create)) Create {
	cmd := Create{Name: "spring", Classification: customers.Gold, Subject: "Tea", Body: "There is tea.\n"}
	if change != nil {
		change(&cmd)
	}
	return cmd
}

func TestCreate(t *testing.T) {
	campaign := deedtest.For(t, Decider)
	campaign.When(create(nil)).Then(spring)
	campaign.Given(spring).When(create(nil)).Refused(ErrExists)
	campaign.Given(spring, started).When(create(nil)).Refused(ErrExists)
	campaign.On(strings.Repeat("1", 241)).When(create(nil)).Invalid("id")
	for field, change := range map[string]func(*Create){
		"name":           func(c *Create) { c.Name = " " },
		"classification": func(c *Create) { c.Classification = "platinum" },
		"subject":        func(c *Create) { c.Subject = "" },
		"body":           func(c *Create) { c.Body = " \n" },
	} {
		campaign.When(create(change)).Invalid(field)
	}
	campaign.When(create(func(c *Create) { c.Name = strings.Repeat("ü", 101) })).Invalid("name")
	campaign.When(create(func(c *Create) { c.Classification = "" })).Invalid("classification")
	campaign.When(create(func(c *Create) { c.Subject = strings.Repeat("ü", 201) })).Invalid("subject")
	campaign.When(create(func(c *Create) { c.Subject = "Tea\r\nBcc: all@example.org" })).Invalid("subject")
	campaign.When(create(func(c *Create) { c.Body = strings.Repeat("x", 20_001) })).Invalid("body")
}

func TestStart(t *testing.T) {
	campaign := deedtest.For(t, Decider)
	campaign.When(Start{}).Refused(ErrNone)
	campaign.Given(spring).When(Start{}).Then(started)
	campaign.Given(spring, started).When(Start{}).Refused(ErrStarted)
	campaign.Given(spring, started, requested, sent, failed, skipped, opened).When(Start{}).Refused(ErrStarted)
}

func TestRequestMail(t *testing.T) {
	mail := deedtest.ForDecision(t, Mailing)
	cmd := RequestMail{CustomerID: "7"}
	mail.When(cmd).Refused(ErrNone)
	mail.Given(spring).When(cmd).Refused(ErrNotStarted)
	going := mail.Given(spring, started)
	going.When(cmd).Then(requested)
	going.When(RequestMail{}).Invalid("customerId")
	going.When(RequestMail{CustomerID: strings.Repeat("1", 241)}).Invalid("customerId")
	going.Given(requested).When(cmd).Refused(ErrRequested)
	going.Given(requested, sent).When(cmd).Refused(ErrRequested)
	going.Given(EmailRequested{CampaignID: "42", CustomerID: "8"}).When(cmd).Then(requested)
	going.Given(EmailRequested{CampaignID: "43", CustomerID: "7"}).When(cmd).Then(requested)
	going.On("43").When(cmd).Refused(ErrNone)
	going.On(strings.Repeat("1", 241)).When(cmd).Refused(ErrNone)
}

func TestWhatBecameOfAMailIsRecordedOnce(t *testing.T) {
	mail := deedtest.ForDecision(t, Mailing)
	going := mail.Given(spring, started)
	outcomes := []Event{sent, failed, skipped}
	for i, cmd := range []MailCommand{
		RecordSent{CustomerID: "7", MessageID: "<m@x>"}, RecordFailed{CustomerID: "7", Reason: "no"}, RecordSkipped{CustomerID: "7", Reason: "no"},
	} {
		mail.When(cmd).Refused(ErrNone)
		going.When(cmd).Refused(ErrNotRequested)
		going.Given(requested).When(cmd).Then(outcomes[i])
		for _, before := range outcomes {
			going.Given(requested, before).When(cmd).Refused(ErrSettled)
		}
	}
	going.Given(requested).When(RecordSent{CustomerID: "7"}).Invalid("messageId")
	going.Given(requested).When(RecordFailed{CustomerID: "7", Reason: "two\nlines"}).Invalid("reason")
	going.Given(requested).When(RecordSkipped{CustomerID: "7", Reason: strings.Repeat("x", 501)}).Invalid("reason")
}

func TestRecordReaction(t *testing.T) {
	mail := deedtest.ForDecision(t, Mailing)
	cmd := RecordReaction{CustomerID: "7", Kind: "opened"}
	going := mail.Given(spring, started, requested)
	mail.When(cmd).Refused(ErrNone)
	going.When(cmd).Refused(ErrNotSent)
	going.Given(skipped).When(cmd).Refused(ErrNotSent)
	going.Given(failed).When(cmd).Refused(ErrNotSent)
	got := going.Given(sent)
	got.When(cmd).Then(opened)
	got.Given(opened).When(cmd).Nothing()
	got.Given(opened).When(RecordReaction{CustomerID: "7", Kind: "clicked"}).Then(EmailReacted{CampaignID: "42", CustomerID: "7", Kind: "clicked"})
	got.When(RecordReaction{CustomerID: "7"}).Invalid("kind")
	got.When(RecordReaction{CustomerID: "7", Kind: strings.Repeat("x", 51)}).Invalid("kind")
	for i := range 20 {
		got = got.Given(EmailReacted{CampaignID: "42", CustomerID: "7", Kind: strconv.Itoa(i)})
	}
	got.When(cmd).Invalid("kind")
}

func TestTagsFit(t *testing.T) {
	long := strings.Repeat("1", 240)
	for _, e := range []interface{ EventTags() []string }{
		Created{CampaignID: long}, Started{CampaignID: long}, EmailRequested{CampaignID: long, CustomerID: long}, sent, failed, skipped, opened,
	} {
		for _, tag := range e.EventTags() {
			if len(tag) > 255 {
				t.Errorf("%T: the tag %.40s… has %d bytes", e, tag, len(tag))
			}
		}
	}
	if MailTag("a", "bc") == MailTag("ab", "c") {
		t.Error("mails of two campaigns share a tag")
	}
}

func TestView(t *testing.T) {
	at := deedtest.Start.Format("2006-01-02T15:04:05.000000Z07:00")
	row := Row{ID: "42", Name: "spring", Classification: customers.Gold, Subject: "Tea", Status: StatusCreated, CreatedAt: at}
	with := func(change func(*Row)) Row {
		changed := row
		changed.Status, changed.StartedAt = StatusStarted, at
		change(&changed)
		return changed
	}
	view := deedtest.Project(t, View).On("42")
	view.Given(spring).Then(row)
	going := view.Given(spring, started)
	going.Then(with(func(*Row) {}))
	going.Given(requested, requested, requested, requested).Then(with(func(r *Row) { r.Requested, r.Pending = 4, 4 }))
	going.Given(requested, requested, requested, requested, sent, failed, skipped, opened, EmailReacted{Kind: "clicked"}).
		Then(with(func(r *Row) { r.Requested, r.Pending, r.Sent, r.Failed, r.Skipped, r.Reacted = 4, 1, 1, 1, 1, 1 }))
}

// Thousands of mails cost what a few do: a decision reads the mail and the campaign only.
func TestADecisionReadsItsOwnMailOnly(t *testing.T) {
	for _, m := range Mailing.Query("42", RequestMail{CustomerID: "7"}) {
		for _, e := range []Event{EmailRequested{CampaignID: "42", CustomerID: "8"}, EmailSent{CampaignID: "42", CustomerID: "8"}} {
			if deed.MatchAny([]deed.Match{m}, e.EventType(), e.(interface{ EventTags() []string }).EventTags()) {
				t.Errorf("%+v selects %+v", m, e)
			}
		}
	}
}

func TestEvolveIsFrozen(t *testing.T) { deedtest.Frozen(t, Decider) }
