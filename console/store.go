package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/gateway"
)

const (
	surveyDays  = 14
	streamsMost = 1000 // of a category that are counted
)

// counted keeps what a survey said, since counting takes a while in a large log.
type counted struct {
	mu     sync.Mutex
	survey deed.Survey
	held   []categoryCount
	at     time.Time
}

const countedFresh = 10 * time.Second

// get returns what the log holds, what of it each category does, and when that was counted.
func (k *counted) get(ctx context.Context, service *deed.Service) (deed.Survey, []categoryCount, time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); k.at.IsZero() || now.Sub(k.at) > countedFresh {
		survey, err := service.Survey(ctx, surveyDays)
		if err != nil {
			return survey, nil, now, err
		}
		held := categoriesOf(survey.Kinds)
		for i := range held {
			found, err := service.Streams(ctx, held[i].Category, "", streamsMost+1)
			if err != nil {
				return survey, nil, now, err
			}
			held[i].Streams, held[i].More = min(len(found), streamsMost), len(found) > streamsMost
		}
		k.survey, k.held, k.at = survey, held, now
	}
	return k.survey, k.held, k.at, nil
}

type storeBody struct {
	Log        deed.LogInfo
	Head       deed.Position
	Unknown    bool // the store cannot tell
	Counted    time.Time
	Bytes      int64
	ViewBytes  int64
	Events     int64
	Categories []categoryCount
	Days       []dayCount
}

type categoryCount struct {
	Category string
	Events   int64
	Streams  int
	More     bool // streams than were counted
	Types    []typeCount
}

type typeCount struct {
	Type    string
	Events  int64
	Percent float64 // of the greatest
}

type dayCount struct {
	Day        time.Time
	Events     int64
	Categories []deed.DayCount
	Percent    float64 // of the greatest
}

// store is the page of what the log holds.
func (c *console) store(call *gateway.Call) (content, error) {
	head, err := c.service.Head(call.Context())
	if err != nil {
		return content{}, err
	}
	body := storeBody{Log: c.service.Info(), Head: head}
	survey, held, at, err := c.counted.get(call.Context(), c.service)
	switch {
	case errors.Is(err, deed.ErrNotFound):
		body.Unknown = true
	case err != nil:
		return content{}, err
	}
	body.Counted, body.Bytes, body.ViewBytes = at, survey.Bytes, survey.Views
	body.Categories = held
	for _, category := range held {
		body.Events += category.Events
	}
	body.Days = daysOf(survey.Days)
	return content{title: "Store", area: "store", body: body}, nil
}

func categoriesOf(kinds []deed.KindCount) (all []categoryCount) {
	greatest := int64(1)
	for _, k := range kinds {
		greatest = max(greatest, k.Events)
	}
	for _, k := range kinds {
		if n := len(all); n == 0 || all[n-1].Category != k.Category {
			all = append(all, categoryCount{Category: k.Category})
		}
		last := &all[len(all)-1]
		last.Events += k.Events
		last.Types = append(last.Types, typeCount{k.Type, k.Events, float64(k.Events) * 100 / float64(greatest)})
	}
	return all
}

// daysOf adds up the days, with those between them that had no events.
func daysOf(counts []deed.DayCount) []dayCount {
	var days []dayCount
	for _, d := range counts {
		for n := len(days); n > 0 && days[n-1].Day.Add(24*time.Hour).Before(d.Day) && n < surveyDays; n = len(days) {
			days = append(days, dayCount{Day: days[n-1].Day.Add(24 * time.Hour)})
		}
		if n := len(days); n == 0 || !days[n-1].Day.Equal(d.Day) {
			days = append(days, dayCount{Day: d.Day})
		}
		last := &days[len(days)-1]
		last.Events += d.Events
		last.Categories = append(last.Categories, d)
	}
	most := int64(1)
	for _, d := range days {
		most = max(most, d.Events)
	}
	for i := range days {
		d := &days[i]
		slices.SortFunc(d.Categories, func(a, b deed.DayCount) int { return int(b.Events - a.Events) })
		d.Percent = float64(d.Events) * 100 / float64(most)
	}
	return days
}
