package main

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

// record is a record as the shop's log shows it.
type record struct {
	deed.Record
	command string // id of the command that it came of
}

// customer is the id of the customer whom the record is about, where its data names one.
func (r record) customer() string {
	var data struct{ CustomerID string }
	_ = json.Unmarshal(r.Data, &data) // checkMarkers sees to it that all data is JSON
	return data.CustomerID
}

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
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", path, response.Status)
	}
	return read(bufio.NewReaderSize(response.Body, 1<<20))
}

// readLog reads the log after a position.
func readLog(ctx context.Context, base string, after int) ([]record, error) {
	var records []record
	err := get(ctx, base+"/api/log?after="+strconv.Itoa(after), nil, func(body *bufio.Reader) error {
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
			records = append(records, record{
				Record: deed.Record{
					NewEvent: deed.NewEvent{ID: line.ID, Type: line.Type, Data: line.Data, Tags: line.Tags},
					Stream:   line.Stream, Version: line.Version, Position: line.Position, Time: line.Time,
				},
				command: line.Meta.Command,
			})
		}
		return nil
	})
	return records, err
}

// rows are the rows of a view by their keys, as JSON.
type rows map[string]json.RawMessage

// readView reads all of a view, once it has reached the end of the log.
func readView(ctx context.Context, base, view string, head deed.Position) (rows, error) {
	all := rows{}
	header := http.Header{"Deed-Position": {fmt.Sprint(head)}, "Prefer": {"wait=60"}}
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

// head is the end of the log.
func head(ctx context.Context, base string) (deed.Position, error) {
	var answer struct{ Position deed.Position }
	err := get(ctx, base+"/readyz", nil, func(body *bufio.Reader) error { return json.NewDecoder(body).Decode(&answer) })
	return answer.Position, err
}

// readViews reads all views of the shop. Nothing may be stored meanwhile.
func readViews(ctx context.Context, base string) (map[string]rows, error) {
	end, err := head(ctx, base)
	if err != nil {
		return nil, err
	}
	views := map[string]rows{}
	for name := range folds {
		if views[name], err = readView(ctx, base, name, end); err != nil {
			return nil, err
		}
	}
	return views, nil
}
