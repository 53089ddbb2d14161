// Package audit holds the log and the views of a shop against each other, and the log against what must not happen twice. What it
// knows of the shop it knows from the domain's events alone.
package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/deed-es/deed"
)

// Record is a record as the shop's log shows it.
type Record struct {
	deed.Record
	Command string // id of the command that it came of
}

// customer is the id of the customer whom the record is about, where its data names one.
func (r Record) customer() string {
	var data struct{ CustomerID string }
	_ = json.Unmarshal(r.Data, &data) // Check sees to it that all data is JSON
	return data.CustomerID
}

// basedOn is the stream of the order that a classification is based on.
func (r Record) basedOn() string {
	var data struct{ BasedOn string }
	_ = json.Unmarshal(r.Data, &data)
	return data.BasedOn
}

// mail names the mail that the record is about.
func (r Record) mail() string { return "the mail of " + string(r.Stream) + " to " + r.customer() }

// get asks the shop for path and hands the body over.
func get(ctx context.Context, path string, header http.Header, read func(*bufio.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := bufio.NewReaderSize(response.Body, 1<<20)
	if response.StatusCode != http.StatusOK {
		said, _ := body.Peek(512)
		return fmt.Errorf("get %s: %s %s", path, response.Status, said)
	}
	return read(body)
}

// ReadLog reads the log of the shop that answers at base, after a position.
func ReadLog(ctx context.Context, base string, after deed.Position) ([]Record, error) {
	var records []Record
	err := get(ctx, base+"/api/log?after="+strconv.FormatInt(int64(after), 10), nil, func(body *bufio.Reader) error {
		decoder := json.NewDecoder(body)
		for decoder.More() {
			var line struct {
				ID, Type string
				Stream   deed.StreamID
				Version  deed.Version
				Position deed.Position
				Time     time.Time
				Tags     []string
				Meta     struct{ Command string }
				Data     json.RawMessage
			}
			if err := decoder.Decode(&line); err != nil {
				return err
			}
			records = append(records, Record{
				Record: deed.Record{
					NewEvent: deed.NewEvent{ID: line.ID, Type: line.Type, Data: line.Data, Tags: line.Tags},
					Stream:   line.Stream, Version: line.Version, Position: line.Position, Time: line.Time,
				},
				Command: line.Meta.Command,
			})
		}
		return nil
	})
	return records, err
}

// Rows are the rows of a view by their keys, as JSON.
type Rows map[string]json.RawMessage

// ReadViews reads all views of the shop that answers at base, once they have reached the end of the log. Nothing may be stored
// meanwhile.
func ReadViews(ctx context.Context, base string, end deed.Position) (map[string]Rows, error) {
	views := map[string]Rows{}
	for name := range folds {
		var err error
		if views[name], err = readView(ctx, base, name, end); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func readView(ctx context.Context, base, view string, end deed.Position) (Rows, error) {
	all := Rows{}
	header := http.Header{"Deed-Position": {fmt.Sprint(end)}, "Prefer": {"wait=60"}}
	cursor := ""
	for {
		var page struct {
			Rows []struct {
				Key string
				Row json.RawMessage
			}
			Next string
		}
		path := base + "/api/views/" + view + "?limit=1000"
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		err := get(ctx, path, header, func(body *bufio.Reader) error { return json.NewDecoder(body).Decode(&page) })
		if err != nil {
			return nil, err
		}
		for _, r := range page.Rows {
			all[r.Key] = r.Row
		}
		if page.Next == "" {
			return all, nil
		}
		cursor = page.Next
	}
}

// Ready is nil if the shop that answers at base says that it is ready.
func Ready(ctx context.Context, base string) error {
	return get(ctx, base+"/readyz", nil, func(*bufio.Reader) error { return nil })
}

// Search returns the ids of the orders that a shop finds by words.
func Search(ctx context.Context, base, words string, end deed.Position) ([]string, error) {
	header := http.Header{"Deed-Position": {fmt.Sprint(end)}, "Prefer": {"wait=60"}}
	var found struct{ Orders []struct{ ID string } }
	err := get(ctx, base+"/orders/search?q="+url.QueryEscape(words), header, func(body *bufio.Reader) error { return json.NewDecoder(body).Decode(&found) })
	ids := make([]string, len(found.Orders))
	for i, order := range found.Orders {
		ids[i] = order.ID
	}
	return ids, err
}

// Markers are the words in a record's data that may stand for the one request that brought it about.
func Markers(r Record) []string {
	var data struct{ Description, FirstName, LastName, Name string }
	_ = json.Unmarshal(r.Data, &data)
	switch r.Type {
	case "order-placed":
		return []string{data.Description}
	case "campaign-created":
		return []string{data.Name}
	case "user-created":
		return []string{data.FirstName}
	case "user-updated", "customer-updated":
		return []string{data.LastName}
	}
	return nil
}

// Address is the e-mail address in a record's data.
func Address(r Record) string {
	var data struct{ Email string }
	_ = json.Unmarshal(r.Data, &data)
	return data.Email
}
