package deed_test

import (
	"errors"
	"testing"

	"github.com/deed-es/deed"
)

// Nodes do what their roles say and leave the rest to others.
func TestFleetRoles(t *testing.T) {
	inFleet(t, func(t *testing.T, f *commons) {
		r := newRota(t)
		parts := func(node string) []deed.Part {
			return []deed.Part{accounts, lines, keeps(when("account-paid", accounts.Send("1", rename{"eve"}))), r.duty("duty", node, 0)}
		}
		nodes := map[string]*member{}
		for name, roles := range map[string][]deed.Role{
			"writer": {deed.RoleCommands}, "folder": {deed.RoleProjections}, "doer": {deed.RoleProcesses}, "reader": {deed.RoleQueries},
		} {
			nodes[name] = f.invite(name, deed.Config{Roles: roles}, parts(name)...)
			nodes[name].run()
		}
		until(t, "all runs", fleetTTL, func() bool { return len(f.holders()) == 3 && len(r.who()) == 1 })
		want(t, "who has what", f.holders(), map[string]string{"lines@1": "folder", "keeper@1": "doer", "duty": "doer"})
		nodes["writer"].send(accounts.Send("1", open{"ann"}))
		at := nodes["writer"].send(accounts.Send("1", pay{5})).Position
		for name, m := range nodes {
			must(t, m.Settle(bounded(t)))
			want(t, "head", len(types(t, f.db, deed.Query{Stream: "account-1"})), 3) // the effect is carried out
			_, err := m.Dispatch(bounded(t), "account-1", "pay", []byte(`{"amount":0}`))
			wantElsewhere(t, name+" handles a command", err, name != "writer")
			row, _, err := m.Views().Get(bounded(t), "lines", "1", at)
			wantElsewhere(t, name+" reads a row", err, name != "reader")
			if err == nil {
				want(t, "row", string(row.Row), `{"owner":"eve","balance":5,"payments":1}`)
			}
			_, err = m.Views().List(bounded(t), "lines", nil, deed.Page{}, 0)
			wantElsewhere(t, name+" lists rows", err, name != "reader")
		}
		nodes["doer"].stop()
		nodes["folder"].stop()
		pass(3 * fleetTTL)
		want(t, "nobody has what no other does", len(f.holders()), 0)
		for _, part := range []string{"lines", "keeper", "duty"} {
			p := nodes["writer"].part(part)
			want(t, "state of "+part, p.State, deed.StateOff)
			want(t, "node of "+part, p.Node, "")
		}
	})
}

func wantElsewhere(t *testing.T, what string, err error, elsewhere bool) {
	t.Helper()
	if errors.Is(err, deed.ErrElsewhere) != elsewhere || err != nil && !elsewhere {
		t.Errorf("%s: %v", what, err)
	}
}

func TestRolesThatAreNone(t *testing.T) {
	db, _ := memory(t)
	for _, roles := range [][]deed.Role{{"cook"}, {deed.RoleQueries, deed.RoleQueries}, {""}} {
		if _, err := deed.NewService(deed.Config{Store: db, Views: db, Roles: roles}, accounts); err == nil {
			t.Errorf("the roles %q are taken", roles)
		}
	}
}
