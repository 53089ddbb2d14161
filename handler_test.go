package deed_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/deed-es/deed"
)

func at(stream string, v deed.Version) []deed.StreamVersion {
	return []deed.StreamVersion{{Stream: deed.StreamID(stream), Version: v}}
}

func TestHandler(t *testing.T) {
	t.Run("creates, appends, does nothing and refuses, and says where things stand", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		ctx := bounded(t)

		receipt, err := h.Handle(ctx, "1", open{"ann"})
		must(t, err)
		want(t, "opened", receipt, deed.Receipt{Position: 1, Streams: at("account-1", 1)})

		write(t, db, "noise-1", "noise", `{}`) // position 2, elsewhere

		receipt, err = h.Handle(ctx, "1", pay{5})
		must(t, err)
		want(t, "paid", receipt, deed.Receipt{Position: 3, Streams: at("account-1", 2)})

		write(t, db, "noise-1", "noise", `{}`)

		receipt, err = h.Handle(ctx, "1", pay{0})
		must(t, err)
		want(t, "nothing to do", receipt, deed.Receipt{Position: 3, Streams: at("account-1", 2)})

		receipt, err = h.Handle(ctx, "1", pay{-6})
		want(t, "refused", receipt, deed.Receipt{})
		wantErr(t, err, errOverdrawn)

		receipt, err = h.Handle(ctx, "1", shut{})
		must(t, err)
		want(t, "two events", receipt, deed.Receipt{Position: 6, Streams: at("account-1", 4)})
		want(t, "types", types(t, db, deed.Query{Stream: "account-1"}),
			[]string{"account-opened", "account-paid", "account-paid", "account-closed"})

		state, version, err := h.Load(ctx, "1")
		must(t, err)
		want(t, "version", version, 4)
		want(t, "state", state, account{Owner: "ann", Open: true, Shut: true, Payments: []int{5, -5}})
	})
	t.Run("says nothing to do of what is not there at version 0", func(t *testing.T) {
		db, _ := memory(t)
		d := accounts
		d.Decide = func(account, deed.Command) ([]deed.Event, error) { return nil, nil }
		receipt, err := d.Handler(db).Handle(bounded(t), "1", shut{})
		must(t, err)
		want(t, "receipt", receipt, deed.Receipt{Streams: at("account-1", 0)})
		state, version, err := d.Handler(db).Load(bounded(t), "1")
		must(t, err)
		want(t, "version", version, 0)
		want(t, "state", state, account{})
	})
	t.Run("gives refusals their codes", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		_, err := h.Handle(bounded(t), "1", open{"ann"})
		must(t, err)
		notFound := accounts
		notFound.Decide = func(account, deed.Command) ([]deed.Event, error) {
			return nil, errors.Join(errors.New("no such thing"), deed.ErrNotFound)
		}
		for _, c := range []struct {
			h    *accountHandler
			cmd  deed.Command
			code string
		}{
			{h, pay{-1}, "overdrawn"},
			{h, open{""}, "invalid"},
			{h, open{"bob"}, "rejected"},
			{notFound.Handler(db), shut{}, "not-found"},
		} {
			_, err := c.h.Handle(bounded(t), "1", c.cmd)
			var refused *deed.RejectedError
			if !errors.As(err, &refused) || refused.Code != c.code {
				t.Errorf("%T: got %v, want a refusal with the code %s", c.cmd, err, c.code)
			}
		}
		_, err = h.Handle(bounded(t), "1", open{""})
		var field *deed.InvalidError
		if !errors.As(err, &field) || field.Field != "owner" {
			t.Errorf("got %v, want it to be about the field owner", err)
		}
	})
	t.Run("says verb and object in its errors", func(t *testing.T) {
		db, _ := memory(t)
		_, err := accounts.Handler(db).Handle(bounded(t), "1", pay{1})
		if want := "pay account-1: the account is not open"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("refuses ids that cannot be part of a stream", func(t *testing.T) {
		db, _ := memory(t)
		h := accounts.Handler(db)
		for _, bad := range []string{"", ".", "..", "a/b", "a\x00b", "\xff", strings.Repeat("x", 256)} {
			if _, err := h.Handle(bounded(t), bad, open{"ann"}); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("Handle of %q: got %v, want *InvalidError", bad, err)
			}
			if _, _, err := h.Load(bounded(t), bad); !errors.As(err, new(*deed.InvalidError)) {
				t.Errorf("Load of %q: got %v, want *InvalidError", bad, err)
			}
		}
		if _, err := h.Handle(bounded(t), "1", nil); !errors.As(err, new(*deed.InvalidError)) {
			t.Errorf("a nil command: got %v, want *InvalidError", err)
		}
		if _, err := h.Handle(bounded(t), "a-b:c d%é", open{"ann"}); err != nil {
			t.Errorf("an id with signs in it: %v", err)
		}
	})
	t.Run("answers with what is wrong with its decider", func(t *testing.T) {
		db, _ := memory(t)
		var broken accountDecider
		_, err := broken.Handler(db).Handle(bounded(t), "1", open{"ann"})
		for _, word := range []string{"Category", "Commands", "Events", "Decide", "Evolve"} {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("got %v, want it to name %s", err, word)
			}
		}
		if _, _, err := broken.Handler(db).Load(bounded(t), "1"); err == nil {
			t.Error("Load of a broken decider went well")
		}
	})
	t.Run("hands DecideWith who asks, when, and for what", func(t *testing.T) {
		db, clock := memory(t)
		clock.Advance(time.Hour)
		var got []deed.Meta
		d := accounts
		d.Decide, d.DecideWith = nil, func(_ account, _ deed.Command, m deed.Meta) ([]deed.Event, error) {
			got = append(got, m)
			return []deed.Event{opened{"ann"}}, nil
		}
		h := d.Handler(db)
		effective := time.Date(2020, 2, 3, 0, 0, 0, 0, time.UTC)
		given := deed.Meta{Actor: "ann", CommandID: "c1", Correlation: "co", Causation: "ca", Effective: effective}
		_, err := h.Handle(deed.WithMeta(bounded(t), given), "1", open{"ann"})
		must(t, err)
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err = h.Handle(deed.WithMeta(bounded(t), deed.Meta{Now: now}), "2", open{"ann"})
		must(t, err)

		first := given
		first.Now, first.Stream = clock.Now(), "account-1"
		want(t, "meta", got, []deed.Meta{first, {Now: now, Stream: "account-2"}})

		stored := records(t, db, deed.Query{})
		want(t, "stored meta", stored[0].Meta(), given)
		want(t, "stored metadata", string(stored[1].Metadata), `{}`)
		want(t, "recorded", stored[1].Time, clock.Now())
	})
	t.Run("stores what events say of themselves", func(t *testing.T) {
		db, _ := memory(t)
		d := deed.Decider[int, deed.Command, deed.Event]{
			Category: "thing", Commands: []deed.Command{open{}}, Events: []deed.Event{tagged{}},
			Decide: func(int, deed.Command) ([]deed.Event, error) { return []deed.Event{tagged{"<&>"}}, nil },
			Evolve: func(n int, _ deed.Event) int { return n + 1 },
		}
		_, err := d.HandlerWith(db, &deed.HandlerOptions{NewID: func() string { return "the-id" }}).Handle(bounded(t), "1", open{})
		must(t, err)
		r := records(t, db, deed.Query{})[0]
		want(t, "id", r.ID, "the-id")
		want(t, "schema", r.Schema, 3)
		want(t, "content type", r.ContentType, "application/json")
		want(t, "data", string(r.Data), `{"text":"<&>"}`)
		want(t, "tags", r.Tags, []string{"text:<&>"})
	})
	t.Run("lets a caller go that does not want to wait any more", func(t *testing.T) {
		db, _ := memory(t)
		ctx, cancel := context.WithCancel(bounded(t))
		cancel()
		_, err := accounts.Handler(db).Handle(ctx, "1", open{"ann"})
		wantErr(t, err, context.Canceled)
		want(t, "records", len(records(t, db, deed.Query{})), 0)
	})
}

// tagged has a schema version and a tag.
type tagged struct {
	Text string `json:"text"`
}

func (tagged) EventType() string     { return "tagged" }
func (tagged) EventVersion() int     { return 3 }
func (e tagged) EventTags() []string { return []string{"text:" + e.Text} }
