package users_test

import (
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/deedtest"
	. "github.com/deed-es/deed/examples/shop/users"
)

var (
	annLee  = Created{FirstName: "Ann", LastName: "Lee"}
	annPoe  = Updated{FirstName: "Ann", LastName: "Poe"}
	hundred = strings.Repeat("ü", 100)
)

func TestCreate(t *testing.T) {
	user := deedtest.For(t, Decider)
	user.When(Create{FirstName: "Ann", LastName: "Lee"}).Then(annLee)
	user.When(Create{FirstName: hundred, LastName: "L"}).Then(Created{FirstName: hundred, LastName: "L"})
	user.Given(annLee).When(Create{FirstName: "Bob", LastName: "Lee"}).Refused(ErrExists)
	user.Given(annLee, Deleted{}).When(Create{FirstName: "Ann", LastName: "Lee"}).Refused(ErrDeleted)
}

func TestCreateNeedsBothNames(t *testing.T) {
	user := deedtest.For(t, Decider)
	user.When(Create{LastName: "Lee"}).Invalid("firstName")
	user.When(Create{FirstName: "Ann"}).Invalid("lastName")
	user.When(Create{FirstName: " \t", LastName: "Lee"}).Invalid("firstName")
	user.When(Create{FirstName: hundred + "x", LastName: "Lee"}).Invalid("firstName")
	user.When(Create{FirstName: "Ann", LastName: hundred + "x"}).Invalid("lastName")
}

func TestUpdate(t *testing.T) {
	user := deedtest.For(t, Decider)
	active := user.Given(annLee)
	active.When(Update{LastName: new("Poe")}).Then(annPoe)
	active.When(Update{FirstName: new("Bo"), LastName: new("Poe")}).Then(Updated{FirstName: "Bo", LastName: "Poe"})
	active.Given(annPoe).When(Update{FirstName: new("Bo")}).Then(Updated{FirstName: "Bo", LastName: "Poe"})
	active.When(Update{FirstName: new("")}).Invalid("firstName")
	active.When(Update{LastName: new(hundred + "x")}).Invalid("lastName")
	user.When(Update{LastName: new("Poe")}).Refused(ErrNone)
	active.Given(Deleted{}).When(Update{LastName: new("Poe")}).Refused(ErrDeleted)
}

func TestAnUpdateThatChangesNothingStoresNothing(t *testing.T) {
	active := deedtest.For(t, Decider).Given(annLee)
	active.When(Update{}).Nothing()
	active.When(Update{FirstName: new("Ann"), LastName: new("Lee")}).Nothing()
	active.Given(annPoe).When(Update{LastName: new("Poe")}).Nothing()
}

func TestDelete(t *testing.T) {
	user := deedtest.For(t, Decider)
	user.When(Delete{}).Refused(ErrNone)
	user.Given(annLee).When(Delete{}).Then(Deleted{})
	user.Given(annLee, Deleted{}).When(Delete{}).Refused(ErrDeleted)
}

func TestWelcome(t *testing.T) {
	user := deedtest.For(t, Decider)
	user.When(Welcome{}).Refused(ErrNone)
	user.Given(annLee).When(Welcome{}).Then(Welcomed{})
	user.Given(annLee, Welcomed{}).When(Welcome{}).Refused(ErrWelcomed)
	user.Given(annLee, Deleted{}).When(Welcome{}).Refused(ErrDeleted)
}

func TestWelcoming(t *testing.T) {
	process := deedtest.React(t, Welcoming(time.Minute)).On("7")
	process.When(annLee).Then(Decider.Send("7", Welcome{}).In(time.Minute).Named("welcome"))
	process.Given(annLee).When(Deleted{}).Then(deed.Cancel("welcome"))
	process.Given(annLee).When(annPoe).Nothing()
}

func TestAUserIsWelcomedOnceAfterTheDelay(t *testing.T) {
	s := deedtest.Serve(t, Decider, View, Welcoming(WelcomeDelay))
	s.Send(Decider.Send("7", Create(annLee)))
	s.Send(Decider.Send("8", Create(annLee)))
	s.Advance(WelcomeDelay - time.Microsecond)
	if got := welcomedAt(t, s, "7"); !got.IsZero() {
		t.Fatalf("welcomed at %v, before the delay was over", got)
	}
	s.Send(Decider.Send("8", Delete{}))
	s.Advance(time.Microsecond)
	due := deedtest.Start.Add(WelcomeDelay)
	if got := welcomedAt(t, s, "7"); !got.Equal(due) {
		t.Fatalf("welcomed at %v, want %v", got, due)
	}
	if got := welcomedAt(t, s, "8"); !got.IsZero() {
		t.Fatalf("welcomed at %v after being deleted", got)
	}
	s.Advance(time.Hour)
	_, version, err := Decider.Handler(s.DB).Load(s.Context(), "7")
	if err != nil || version != 2 {
		t.Fatal(version, err)
	}
}

func welcomedAt(t *testing.T, s *deedtest.Service, id string) time.Time {
	t.Helper()
	row, err := View.View(s.DB).Get(s.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	return row.WelcomedAt
}

func TestView(t *testing.T) {
	at := deedtest.Start
	created := at.Format("2006-01-02T15:04:05.000000Z07:00")
	view := deedtest.Project(t, View).On("7").At(at)
	view.Given(annLee).Then(Row{ID: "7", FirstName: "Ann", LastName: "Lee", Status: Active, CreatedAt: created})
	view.Given(annLee, annPoe, Welcomed{}, Deleted{}).
		Then(Row{ID: "7", FirstName: "Ann", LastName: "Poe", Status: Gone, CreatedAt: created, WelcomedAt: at})
}

func TestHistoryView(t *testing.T) {
	at := deedtest.Start
	deedtest.Project(t, HistoryView).On("7").At(at).Given(annLee, annPoe, Welcomed{}, Deleted{}).Then(History{ID: "7", Entries: []Entry{
		{What: "created", At: at, Version: 1, FirstName: "Ann", LastName: "Lee"},
		{What: "updated", At: at, Version: 2, FirstName: "Ann", LastName: "Poe"},
		{What: "welcomed", At: at, Version: 3},
		{What: "deleted", At: at, Version: 4},
	}})
}

func TestAHistoryIsBounded(t *testing.T) {
	var h History
	for range 250 {
		h = h.Evolve(deed.Recorded[Event]{Event: annPoe, Record: deed.Record{Stream: "user-7"}})
	}
	if len(h.Entries) != 100 || h.Earlier != 150 {
		t.Fatalf("%d entries and %d earlier ones, want 100 and 150", len(h.Entries), h.Earlier)
	}
}

func TestEvolveIsFrozen(t *testing.T) { deedtest.Frozen(t, Decider) }
