package deed_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/deed-es/deed"
)

// mirror is a codec that turns data and tags round, and refuses data that is not turned.
type mirror struct{}

func turned(data []byte) []byte {
	data = bytes.Clone(data)
	slices.Reverse(data)
	return data
}

func (mirror) Encode(_ context.Context, stream deed.StreamID, e deed.NewEvent) (deed.NewEvent, error) {
	if stream == "" {
		return e, errors.New("for no stream")
	}
	e.Data = append([]byte("mirrored"), turned(e.Data)...)
	return e, nil
}

func (mirror) Decode(_ context.Context, r deed.Record) (deed.Record, error) {
	data, ok := bytes.CutPrefix(r.Data, []byte("mirrored"))
	if !ok {
		return r, errors.New("not mirrored: " + string(r.Data))
	}
	r.Data = turned(data)
	return r, nil
}

func (mirror) Tag(tag string) string { return "mirrored " + tag }

// What goes into the log and what comes out of it passes through the codec, whoever writes and whoever reads.
func TestCodec(t *testing.T) {
	db, _ := memory(t)
	p := keeps(when("account-opened", deed.Wake(), accounts.Send("1", pay{-5})))
	var mailed []string
	r := deed.Reactor[deed.Event]{Name: "mailer", Events: []deed.Event{opened{}}, React: func(_ context.Context, e deed.Recorded[deed.Event], _ string) ([]deed.Effect, error) {
		mailed = append(mailed, e.Event.(opened).Owner)
		return nil, nil
	}}
	service, err := deed.NewService(deed.Config{Store: db, Views: db, Codec: mirror{}}, accounts, uniqueEmail, lines, p, r)
	must(t, err)
	s := startService(t, db, service)
	receipt := s.send(accounts.Send("1", open{"ann"}), accounts.Send("1", pay{5}), uniqueEmail.Send("1", register{"a@b"}))
	_, err = s.Dispatch(bounded(t), "customer-2", "register", []byte(`{"email":"a@b"}`))
	wantErr(t, err, errTaken)
	row, err := lines.View(db).Get(bounded(t), "1", receipt.Position)
	must(t, err)
	want(t, "row", row.Owner, "ann")
	s.settle()
	want(t, "mailed", mailed, []string{"ann"})
	want(t, "notes", len(s.notes("keeper", "1")), 4) // opened, paid, woken, and paid or refused
	for _, record := range records(t, db, deed.Query{}) {
		if !strings.HasPrefix(string(record.Data), "mirrored") {
			t.Errorf("%s is stored as %s", record.Type, record.Data)
		}
		for _, tag := range record.Tags {
			if !strings.HasPrefix(tag, "mirrored ") {
				t.Errorf("%s is stored with the tag %s", record.Type, tag)
			}
		}
	}
	found := records(t, s.Log(), deed.Query{Match: []deed.Match{{Tags: []string{"email:a@b"}}}})
	want(t, "found by tag", len(found), 1)
	want(t, "decoded", string(found[0].Data), `{"email":"a@b"}`)
	state, err := s.Load(bounded(t), "account-1")
	must(t, err)
	want(t, "state", state.State.(account).Owner, "ann")
}
