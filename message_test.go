package deed_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// A message says all that is known of what it is about.
func TestMessages(t *testing.T) {
	db, _ := memory(t)
	said := &logged{}
	d := accounts
	d.Decide = func(a account, cmd deed.Command) ([]deed.Event, error) {
		if cmd == (pay{13}) {
			panic("unlucky")
		}
		return a.decide(cmd)
	}
	world := &outside{fail: func(int) error { return errors.New("not now") }}
	mailer := deed.Reactor[deed.Event]{Name: "mailer", Events: accountEvents, React: world.react}
	service, err := deed.NewService(deed.Config{Store: db, Views: db, Logger: said.logger(), MaxParked: 1}, d,
		keeps(when("account-opened", accounts.Send("1", pay{13}))), lines, mailer)
	must(t, err)
	s := startService(t, db, service)
	ctx := deed.WithMeta(bounded(t), deed.Meta{Correlation: "c-1"})
	_, err = s.Dispatch(ctx, "account-1", "open", []byte(`{"owner":"ann"}`))
	must(t, err)
	write(t, db, "account-8", "account-paid", `{"amount":"much"}`)
	write(t, db, "account-9", "account-paid", `{"amount":"more"}`)
	for message, fields := range map[string]string{
		"an effect failed and will be tried again":         `part=keeper key=1 effect= stream=account-1 command=pay attempt=1 correlation=c-1 error=`,
		"a part failed and will try again":                 `kind=reactor part=mailer position=1 stream=account-1 type=account-opened attempt=1 error=`,
		"a record cannot be handled and is parked":         `part= key=/account-8 position=2 stream=account-8 type=account-paid error=`,
		"a part stopped at a record that it cannot handle": `kind= part= position=3 stream=account-9 type=account-paid error=`,
		`level=INFO msg="the service runs"`:                `parts=`,
	} {
		line := said.line(t, message)
		for field := range strings.FieldsSeq(fields) {
			if !strings.Contains(line, field) {
				t.Errorf("%q does not have %q", line, field)
			}
		}
	}
	s.stop()
	said.line(t, `level=INFO msg="the service has stopped"`)
}
