package ui

import (
	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/users"
)

var userList = &list{
	name: "users", view: users.View.Name, title: "Users", order: "-createdAt",
	filters: []filter{{param: "status", field: "status", label: "Status", options: []option{
		{Label: "All"}, {Value: string(users.Active), Label: "Active"}, {Value: string(users.Gone), Label: "Deleted"},
	}}},
	decode: decoder(func(r users.Row) string { return r.CreatedAt }, func(r users.Row) map[string]string {
		return map[string]string{"status": string(r.Status)}
	}),
	forms: func(v *visit) []*form { return []*form{v.form(newUserForm())} },
}

func nameFields(u users.Row, tracks bool) []field {
	return []field{
		{Name: "firstName", Label: "First name", Kind: "text", Autocomplete: "off", Value: u.FirstName, Was: u.FirstName, Tracks: tracks},
		{Name: "lastName", Label: "Last name", Kind: "text", Autocomplete: "off", Value: u.LastName, Was: u.LastName, Tracks: tracks},
	}
}

func newUserForm() form {
	return form{ID: "create-user", Action: path("users"), Submit: "Create the user", Title: "New user", Fields: nameFields(users.Row{}, false)}
}

func updateForm(u users.Row) form {
	return form{ID: "update-user", Action: path("users", u.ID, "update"), Submit: "Save", Fields: nameFields(u, true)}
}

func deleteForm(id string) form {
	return form{ID: "delete-user", Action: path("users", id, "delete"), Submit: "Delete for good", Kind: "danger"}
}

// userPage is what there is to say of a user.
type userPage struct {
	users.Row
	Parked         deed.Position
	Lag            lag
	Update, Delete *form
	Events         events
}

func (s *site) user(v *visit) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	p := userPage{}
	if p.Lag, p.Parked, err = s.thing(v, users.View.Name, id, &p.Row, "user"); err != nil {
		return err
	}
	if p.Status == users.Active {
		p.Update, p.Delete = v.form(updateForm(p.Row)), v.form(deleteForm(id))
	}
	if p.Events, err = s.events(v, deed.Stream("user", id)); err != nil {
		return err
	}
	return v.show(page{Title: p.FirstName + " " + p.LastName, Section: "users", Content: "user", View: users.View.Name, Key: id, Data: p})
}

func (s *site) usersPage(v *visit) error { return s.listPage(v, userList) }

func (s *site) createUser(v *visit) error {
	f, err := v.fill(newUserForm())
	if err != nil {
		return err
	}
	return v.submit(f, s.usersPage, func(c Caller) (done, error) {
		id := c.NewID()
		receipt, err := s.send(c.Command("create"), users.Decider.Send(id, users.Create{FirstName: f.value("firstName"), LastName: f.value("lastName")}))
		return done{what: "user", of: id, receipt: receipt}, err
	})
}

func (s *site) updateUser(v *visit) error {
	return s.changeUser(v, updateForm(users.Row{ID: v.request.PathValue("id")}), "updated", func(f form) users.Command {
		return users.Update{FirstName: f.changed("firstName"), LastName: f.changed("lastName")}
	})
}

func (s *site) deleteUser(v *visit) error {
	return s.changeUser(v, deleteForm(v.request.PathValue("id")), "deleted", func(form) users.Command { return users.Delete{} })
}

// changeUser has a command about a user handled.
func (s *site) changeUser(v *visit, f form, what string, command func(form) users.Command) error {
	id, err := v.pathID()
	if err != nil {
		return err
	}
	if f, err = v.fill(f); err != nil {
		return err
	}
	return v.submit(f, s.user, func(c Caller) (done, error) {
		receipt, err := s.send(c.Command(what), users.Decider.Send(id, command(f)))
		return done{what: what, of: id, receipt: receipt}, err
	})
}
