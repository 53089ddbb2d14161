package deed

import "reflect"

// Model is what a service is made of, as data.
type Model struct {
	Deciders    []DeciderModel
	Projections []ViewModel
	Tables      []PartModel
	Processes   []PartModel
	Reactors    []PartModel
	Tasks       []string
}

// DeciderModel describes a decider or a decision.
type DeciderModel struct {
	Kind     string // "decider" or "decision"
	Category string
	Commands []TypeModel
	Events   []TypeModel
	State    TypeModel
}

// PartModel describes a projection, process or reactor.
type PartModel struct {
	Name    string
	Version int
	Events  []TypeModel
}

// ViewModel describes a projection with the rows that it makes; of several versions of one, the newest.
type ViewModel struct {
	PartModel
	Row   TypeModel
	Index []string
	Mode  Mode
}

// TypeModel is an event, command, row or state with its Go type, of which its JSON form can be told.
type TypeModel struct {
	Name   string // stored name of events and commands; Go name of the rest
	Schema int    // schema version of events
	Type   reflect.Type
}

// Model returns what the service is made of. It must not be changed.
func (s *Service) Model() Model { return s.model }

func (m *Model) addDecider(kind, category string, commands, events []TypeModel, state TypeModel) {
	m.Deciders = append(m.Deciders, DeciderModel{Kind: kind, Category: category, Commands: commands, Events: events, State: state})
}

// addView describes a projection: of several versions the newest.
func (m *Model) addView(view ViewModel) {
	for i, other := range m.Projections {
		if other.Name == view.Name {
			if other.Version < view.Version {
				m.Projections[i] = view
			}
			return
		}
	}
	m.Projections = append(m.Projections, view)
}

func eventModels[E Event](events []E) []TypeModel {
	models := make([]TypeModel, len(events))
	for i, e := range events {
		models[i] = TypeModel{Name: e.EventType(), Schema: schemaOf(e), Type: reflect.TypeOf(e)}
	}
	return models
}

func commandModels[C Command](commands []C) []TypeModel {
	models := make([]TypeModel, len(commands))
	for i, c := range commands {
		models[i] = TypeModel{Name: c.CommandType(), Type: reflect.TypeOf(c)}
	}
	return models
}

func typeModelFor[T any]() TypeModel {
	t := reflect.TypeFor[T]()
	return TypeModel{Name: t.Name(), Type: t}
}
