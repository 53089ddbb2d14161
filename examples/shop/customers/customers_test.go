package customers_test

import (
	"strings"
	"testing"

	"github.com/deed-es/deed/deedtest"
	. "github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/money"
)

var (
	ann     = Registered{CustomerID: "42", Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}
	bob     = Registered{CustomerID: "43", Email: "bob@example.org", FirstName: "Bob", LastName: "Ray"}
	annPoe  = Updated{CustomerID: "42", FirstName: "Ann", LastName: "Poe"}
	annGone = Forgotten{CustomerID: "42", Released: EmailTag("ann@example.org")}
	moved   = EmailChanged{CustomerID: "42", Email: "lee@example.org", Previous: "ann@example.org"}
	hundred = strings.Repeat("ü", 100)
)

func TestRegister(t *testing.T) {
	customer := deedtest.ForDecision(t, Addressing).On("42")
	annLee := Register{Email: "ann@example.org", FirstName: "Ann", LastName: "Lee"}
	customer.When(annLee).Then(ann)
	customer.Given(bob).When(annLee).Then(ann)
	customer.Given(ann).When(Register{Email: "lee@example.org", FirstName: "Ann", LastName: "Lee"}).Refused(ErrExists)
	customer.Given(ann, annGone).When(annLee).Refused(ErrForgotten)
	customer.When(Register{Email: "a@b", FirstName: "A", LastName: "B", Location: "Bern"}).
		Then(Registered{CustomerID: "42", Email: "a@b", FirstName: "A", LastName: "B", Location: "Bern"})
}

func TestAnAddressBelongsToOneCustomer(t *testing.T) {
	other := deedtest.ForDecision(t, Addressing).On("44")
	again := Register{Email: " ANN@Example.ORG\n", FirstName: "An", LastName: "Other"}
	registered := Registered{CustomerID: "44", Email: "ann@example.org", FirstName: "An", LastName: "Other"}
	other.Given(ann).When(again).Refused(ErrEmailTaken)
	other.Given(ann, moved).When(again).Then(registered)
	other.Given(ann, annGone).When(again).Then(registered)
	other.Given(ann, moved).When(Register{Email: "lee@example.org", FirstName: "An", LastName: "Other"}).Refused(ErrEmailTaken)
}

func TestChangeEmail(t *testing.T) {
	customer := deedtest.ForDecision(t, Addressing).On("42")
	customer.When(ChangeEmail{Email: "lee@example.org"}).Refused(ErrNone)
	known := customer.Given(ann, bob)
	known.When(ChangeEmail{Email: "Lee@example.org "}).Then(moved)
	known.When(ChangeEmail{Email: "ANN@example.org"}).Nothing()
	known.When(ChangeEmail{Email: "bob@example.org"}).Refused(ErrEmailTaken)
	known.When(ChangeEmail{Email: "bob"}).Invalid("email")
	known.Given(moved).When(ChangeEmail{Email: "ann@example.org"}).
		Then(EmailChanged{CustomerID: "42", Email: "ann@example.org", Previous: "lee@example.org"})
	known.Given(annGone).When(ChangeEmail{Email: "lee@example.org"}).Refused(ErrForgotten)
}

func TestAddressesThatAreNone(t *testing.T) {
	customer := deedtest.ForDecision(t, Addressing)
	long := strings.Repeat("a", 246) + "@b.de" // 251 bytes
	customer.When(Register{Email: long + "xyz", FirstName: "A", LastName: "B"}).
		Then(Registered{CustomerID: "42", Email: long + "xyz", FirstName: "A", LastName: "B"})
	for _, email := range []string{"", "  ", "ann", "@example.org", "ann@", "a@b@c", "a b@c", "a\x00@b", "a\u00a0b@c", long + "wxyz"} {
		customer.When(Register{Email: email, FirstName: "A", LastName: "B"}).Invalid("email")
	}
}

func TestRegisterNeedsBothNames(t *testing.T) {
	customer := deedtest.ForDecision(t, Addressing)
	customer.When(Register{Email: "a@b", LastName: "B"}).Invalid("firstName")
	customer.When(Register{Email: "a@b", FirstName: "A", LastName: " "}).Invalid("lastName")
	customer.When(Register{Email: "a@b", FirstName: hundred + "x", LastName: "B"}).Invalid("firstName")
	customer.When(Register{Email: "a@b", FirstName: hundred, LastName: hundred, Location: hundred + hundred + "x"}).Invalid("location")
	customer.On(strings.Repeat("1", 247)).When(Register{Email: "a@b", FirstName: "A", LastName: "B"}).Invalid("id")
}

func TestTagsHoldNoPersonalDataInTheClear(t *testing.T) {
	for _, tags := range [][]string{ann.EventTags(), annPoe.EventTags(), moved.EventTags(), annGone.EventTags()} {
		for _, tag := range tags {
			if strings.Contains(tag, "example") || len(tag) > 255 {
				t.Errorf("tag %q", tag)
			}
		}
	}
}

func TestUpdate(t *testing.T) {
	customer := deedtest.For(t, Decider)
	known := customer.Given(ann)
	known.When(Update{LastName: new("Poe")}).Then(annPoe)
	known.When(Update{Location: new("Bern")}).Then(Updated{CustomerID: "42", FirstName: "Ann", LastName: "Lee", Location: "Bern"})
	known.Given(annPoe).When(Update{FirstName: new("Bo")}).Then(Updated{CustomerID: "42", FirstName: "Bo", LastName: "Poe"})
	known.When(Update{}).Nothing()
	known.When(Update{FirstName: new("Ann"), LastName: new("Lee"), Location: new("")}).Nothing()
	known.When(Update{FirstName: new(" ")}).Invalid("firstName")
	known.When(Update{LastName: new(hundred + "x")}).Invalid("lastName")
	customer.When(Update{FirstName: new("Bo")}).Refused(ErrNone)
	known.Given(annGone).When(Update{FirstName: new("Bo")}).Refused(ErrForgotten)
}

func TestPermitEmail(t *testing.T) {
	customer := deedtest.For(t, Decider)
	allowed, denied := EmailPermissionSet{CustomerID: "42", Allowed: true}, EmailPermissionSet{CustomerID: "42"}
	customer.When(PermitEmail{Allowed: true}).Refused(ErrNone)
	customer.Given(ann).When(PermitEmail{Allowed: true}).Then(allowed)
	customer.Given(ann).When(PermitEmail{}).Nothing()
	customer.Given(ann, allowed).When(PermitEmail{Allowed: true}).Nothing()
	customer.Given(ann, allowed).When(PermitEmail{}).Then(denied)
	customer.Given(ann, annGone).When(PermitEmail{Allowed: true}).Refused(ErrForgotten)
}

func TestClassify(t *testing.T) {
	customer := deedtest.For(t, Decider)
	cmd := Classify{Classification: Silver, TotalValue: money.Cents(123_400), BasedOn: "order-7"}
	silver := Classified{CustomerID: "42", Classification: Silver, TotalValue: money.Cents(123_400), BasedOn: "order-7"}
	known := customer.Given(ann)
	known.When(cmd).Then(silver)
	known.Given(silver).When(cmd).Nothing()
	known.Given(silver).When(Classify{Classification: Gold, TotalValue: money.Cents(500_000), BasedOn: "order-8"}).
		Then(Classified{
			CustomerID: "42", Classification: Gold, TotalValue: money.Cents(500_000), BasedOn: "order-8",
			PreviousClassification: Silver, PreviousValue: money.Cents(123_400),
		})
	known.When(Classify{Classification: "platinum", BasedOn: "order-7"}).Invalid("classification")
	known.When(Classify{Classification: Gold}).Invalid("basedOn")
	customer.When(cmd).Refused(ErrNone)
	known.Given(annGone).When(cmd).Refused(ErrForgotten)
}

func TestForget(t *testing.T) {
	customer := deedtest.For(t, Decider)
	customer.When(Forget{}).Refused(ErrNone)
	customer.Given(ann).When(Forget{}).Then(annGone)
	customer.Given(ann, moved).When(Forget{}).Then(Forgotten{CustomerID: "42", Released: EmailTag("lee@example.org")})
	customer.Given(ann, Classified{CustomerID: "42", Classification: Silver, TotalValue: money.Cents(123_400), BasedOn: "order-7"}).
		When(Forget{}).Then(Forgotten{CustomerID: "42", Released: annGone.Released, Classification: Silver, TotalValue: money.Cents(123_400)})
	customer.Given(ann, annGone).When(Forget{}).Refused(ErrForgotten)
}

func TestOverviewView(t *testing.T) {
	at := deedtest.Start.Format("2006-01-02T15:04:05.000000Z07:00")
	view := deedtest.Project(t, OverviewView).On("42")
	view.Given(ann).Then(Overview{ID: "42", Email: "ann@example.org", FirstName: "Ann", LastName: "Lee", RegisteredAt: at})
	view.Given(
		ann, annPoe, moved, EmailPermissionSet{CustomerID: "42", Allowed: true},
		Classified{CustomerID: "42", Classification: Gold, TotalValue: money.Cents(500_000), BasedOn: "order-7"},
	).Then(Overview{
		ID: "42", Email: "lee@example.org", FirstName: "Ann", LastName: "Poe", EmailAllowed: true, Classification: Gold,
		TotalValue: money.Cents(500_000), RegisteredAt: at,
	})
	view.Given(ann, annGone).Gone()
}

func TestFormView(t *testing.T) {
	view := deedtest.Project(t, FormView).On("42")
	view.Given(
		ann, annPoe, moved, EmailPermissionSet{CustomerID: "42", Allowed: true},
		Classified{CustomerID: "42", Classification: Gold, TotalValue: money.Cents(500_000), BasedOn: "order-7"},
	).Then(Form{ID: "42", Version: 5, Email: "lee@example.org", FirstName: "Ann", LastName: "Poe", EmailAllowed: true})
	view.Given(ann, annGone).Gone()
}

func TestEvolveIsFrozen(t *testing.T) { deedtest.Frozen(t, Decider) }
