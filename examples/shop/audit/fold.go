package audit

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/deed-es/deed"
	"github.com/deed-es/deed/examples/shop/analysis"
	"github.com/deed-es/deed/examples/shop/campaigns"
	"github.com/deed-es/deed/examples/shop/customers"
	"github.com/deed-es/deed/examples/shop/orders"
	"github.com/deed-es/deed/examples/shop/users"
)

// folds make the rows of every view from the log, by the domain's own Evolve and without any of deed's machinery.
var folds = map[string]func([]Record) (Rows, error){
	users.View.Name:             func(log []Record) (Rows, error) { return fold(users.View, own[users.Row], log) },
	users.HistoryView.Name:      func(log []Record) (Rows, error) { return fold(users.HistoryView, own[users.History], log) },
	customers.OverviewView.Name: func(log []Record) (Rows, error) { return fold(customers.OverviewView, own[customers.Overview], log) },
	customers.FormView.Name:     func(log []Record) (Rows, error) { return fold(customers.FormView, own[customers.Form], log) },
	orders.View.Name: func(log []Record) (Rows, error) {
		return fold(orders.View, byCustomer(func(r orders.Row) string { return r.CustomerID }), log)
	},
	orders.RequestView.Name: func(log []Record) (Rows, error) {
		return fold(orders.RequestView, byCustomer(func(r orders.Request) string { return r.CustomerID }), log)
	},
	campaigns.View.Name:               func(log []Record) (Rows, error) { return fold(campaigns.View, own[campaigns.Row], log) },
	analysis.ReportView.Name:          func(log []Record) (Rows, error) { return fold(analysis.ReportView, ofCustomer, log) },
	analysis.ClassificationsView.Name: func(log []Record) (Rows, error) { return fold(analysis.ClassificationsView, ofClass, log) },
}

// Fold makes the rows of every view from the log.
func Fold(log []Record) (map[string]Rows, error) {
	views := map[string]Rows{}
	for name, fold := range folds {
		var err error
		if views[name], err = fold(log); err != nil {
			return nil, fmt.Errorf("view %s: %w", name, err)
		}
	}
	return views, nil
}

// fold folds the events that a projection lists into rows; keys says which rows an event goes to.
func fold[V any, E deed.Event](p deed.Projection[V, E], keys func(table map[string]V, r Record) []string, log []Record) (Rows, error) {
	types := map[string]reflect.Type{}
	for _, e := range p.Events {
		types[e.EventType()] = reflect.TypeOf(e)
	}
	table := map[string]V{}
	for _, r := range log {
		typ, listed := types[r.Type]
		if !listed {
			continue
		}
		event := reflect.New(typ)
		if err := json.Unmarshal(r.Data, event.Interface()); err != nil {
			return nil, fmt.Errorf("decode %s at position %d: %w", r.Type, r.Position, err)
		}
		e, ok := event.Elem().Interface().(E)
		if !ok {
			return nil, fmt.Errorf("%s is no event of view %s", r.Type, p.Name)
		}
		for _, key := range keys(table, r) {
			row := p.Evolve(table[key], deed.Recorded[E]{Event: e, Record: r.Record})
			if reflect.ValueOf(&row).Elem().IsZero() {
				delete(table, key)
				continue
			}
			table[key] = row
		}
	}
	return encode(table)
}

func encode[V any](table map[string]V) (Rows, error) {
	all := Rows{}
	for key, row := range table {
		data, err := deed.EncodeJSON(row)
		if err != nil {
			return nil, err
		}
		all[key] = data
	}
	return all, nil
}

// own sends an event to the row of its own thing.
func own[V any](_ map[string]V, r Record) []string { return []string{r.Stream.ID()} }

// byCustomer sends an order's event to the order's row, and a customer's to the rows of all its orders.
func byCustomer[V any](customer func(V) string) func(map[string]V, Record) []string {
	return func(table map[string]V, r Record) []string {
		if r.Stream.Category() != customers.Decider.Category {
			return []string{r.Stream.ID()}
		}
		var keys []string
		for key, row := range table {
			if customer(row) == r.Stream.ID() {
				keys = append(keys, key)
			}
		}
		return keys
	}
}

// ofCustomer sends an event to the row of the customer that it is about.
func ofCustomer(_ map[string]analysis.Report, r Record) []string {
	if r.Stream.Category() == customers.Decider.Category {
		return []string{r.Stream.ID()}
	}
	return []string{r.customer()}
}

// ofClass sends an event to the rows of the classes that a customer joins and leaves.
func ofClass(_ map[string]analysis.Share, r Record) []string {
	var data struct{ Classification, PreviousClassification string }
	_ = json.Unmarshal(r.Data, &data) // fold has looked at it
	var keys []string
	if data.Classification != "" {
		keys = append(keys, data.Classification)
	}
	if data.PreviousClassification != "" && data.PreviousClassification != data.Classification {
		keys = append(keys, data.PreviousClassification)
	}
	return keys
}
