package gateway

import (
	"reflect"
	"strconv"

	"github.com/deed-es/deed"
)

// channel is the events of a category.
type channel struct {
	category string
	messages []message
}

// message is an event as it is recorded.
type message struct {
	name    string
	version int // of its schema
	data    object
}

func (m message) id() string { return m.name + ".v" + strconv.Itoa(m.version) }

// channels are the events of the service by the category that they are recorded in: that of the decider which has them.
// What only other parts know of comes last, without a category.
func (d *describing) channels() []channel {
	var all []channel
	seen := map[string]bool{}
	add := func(category string, events []deed.TypeModel) {
		for _, e := range events {
			if seen[e.Name] {
				continue
			}
			seen[e.Name] = true
			m := message{name: e.Name, version: max(e.Schema, 1), data: d.schemas.of(deref(e.Type), false)}
			if n := len(all); n == 0 || all[n-1].category != category {
				all = append(all, channel{category: category})
			}
			last := &all[len(all)-1]
			last.messages = append(last.messages, m)
		}
	}
	for _, kind := range []string{"decider", "decision"} {
		for _, decider := range d.model.Deciders {
			if decider.Kind == kind {
				add(decider.Category, decider.Events)
			}
		}
	}
	for _, v := range d.model.Projections {
		add("", v.Events)
	}
	for _, parts := range [][]deed.PartModel{d.model.Processes, d.model.Reactors} {
		for _, p := range parts {
			add("", p.Events)
		}
	}
	return merged(all)
}

// merged puts the channels of one category together.
func merged(all []channel) []channel {
	var one []channel
	at := map[string]int{}
	for _, c := range all {
		i, known := at[c.category]
		if !known {
			i = len(one)
			at[c.category] = i
			one = append(one, channel{category: c.category})
		}
		one[i].messages = append(one[i].messages, c.messages...)
	}
	return one
}

func (c channel) name() string {
	if c.category == "" {
		return "other events"
	}
	return c.category
}

func (c channel) id() string {
	if c.category == "" {
		return "log.other"
	}
	return "log." + c.category
}

func (d *describing) asyncAPI(events []channel) object {
	o := &d.gateway.options
	channels, operations, messages := object{}, object{}, object{}
	for _, c := range events {
		own, named := object{}, []any{}
		for _, m := range c.messages {
			messages = append(messages, member{m.id(), d.message(m)})
			own = append(own, member{m.id(), object{{"$ref", "#/components/messages/" + m.id()}}})
			named = append(named, object{{"$ref", "#/channels/" + c.id() + "/messages/" + m.id()}})
		}
		channels = append(channels, member{c.id(), object{
			{"address", "/api/log"},
			{"title", c.name()},
			{"description", "records of " + c.name() + ", as lines of JSON or as server-sent events named record"},
			{"messages", own},
		}})
		operations = append(operations, member{"follow." + c.id(), following(c.id(), "tells what is recorded", c.query(), named)})
	}
	told, names, changes := object{}, []any{}, d.examples.changes()
	for _, e := range d.changeEvents() {
		id := "change." + e.name
		messages = append(messages, member{id, withExample(object{
			{"name", e.name}, {"title", e.name}, {"contentType", "application/json"}, {"payload", e.value},
		}, changes[e.name])})
		told = append(told, member{id, object{{"$ref", "#/components/messages/" + id}}})
		names = append(names, object{{"$ref", "#/channels/changes/messages/" + id}})
	}
	views := object{{"type", "object"}, {"required", []string{"view"}}, {"properties", object{
		{"view", object{{"type", "array"}, {"items", object{{"type", "string"}, {"enum", d.viewNames()}}}}},
	}}}
	channels = append(channels, member{"changes", object{
		{"address", "/api/changes"},
		{"title", "changes of views"},
		{"description", "server-sent events, each named as its message, about the rows of views"},
		{"messages", told},
	}})
	operations = append(operations, member{"follow.changes", following("changes", "tells how views change", views, names)})
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{{"title", o.Title}, {"version", o.Version}, {"description", "What is recorded, and how views change. Followed over HTTP as server-sent events; a client that comes again sends Last-Event-ID."}}},
		{"defaultContentType", "application/json"},
		{"servers", object{{"http", object{
			{"host", "{host}"}, {"protocol", "http"}, {"variables", object{{"host", object{{"default", "localhost:8080"}}}}},
		}}}},
		{"channels", channels},
		{"operations", operations},
		{"components", object{{"schemas", d.schemas.defs}, {"messages", messages}}},
	}
}

// query is the schema of the parameters by which a channel's events are asked for.
func (c channel) query() object {
	asked, values := "category", any(object{{"const", c.category}})
	if c.category == "" {
		names := []any{}
		for _, m := range c.messages {
			names = append(names, m.name)
		}
		asked, values = "type", object{{"type", "array"}, {"items", object{{"type", "string"}, {"enum", names}}}}
	}
	return object{{"type", "object"}, {"required", []string{asked}}, {"properties", object{{asked, values}}}}
}

// following is an operation by which the service tells something to who asks over HTTP.
func following(channel, summary string, query object, messages []any) object {
	return object{
		{"action", "send"},
		{"channel", object{{"$ref", "#/channels/" + channel}}},
		{"summary", summary},
		{"bindings", object{{"http", object{{"method", "GET"}, {"query", query}, {"bindingVersion", "0.3.0"}}}}},
		{"messages", messages},
	}
}

func (d *describing) message(m message) object {
	exact := object{{"properties", object{
		{"type", object{{"const", m.name}}},
		{"schema", object{{"const", m.version}}},
		{"data", m.data},
	}}}
	return withExample(object{
		{"name", m.name},
		{"title", m.name},
		{"contentType", "application/json"},
		{"summary", "schema version " + strconv.Itoa(m.version)},
		{"payload", object{{"allOf", []any{d.record, exact}}}},
		{"x-deed-schema-version", m.version},
	}, d.examples[eventExample(m)])
}

// changeEvents are the schemas of what is told about views.
func (d *describing) changeEvents() object {
	if d.changes == nil {
		d.changes = d.makeChangeEvents()
	}
	return d.changes
}

func (d *describing) makeChangeEvents() object {
	view := object{{"type", "string"}, {"enum", d.viewNames()}}
	position := d.schemas.of(reflect.TypeFor[deed.Position](), false)
	key := object{{"type", "string"}}
	telling := func(required []string, more ...member) object {
		properties := append(object{{"view", view}, {"position", position}}, more...)
		return object{{"type", "object"}, {"properties", properties}, {"required", append([]string{"view", "position"}, required...)}}
	}
	put := object{{"oneOf", []any{}}}
	var rows []any
	for _, v := range d.model.Projections {
		row := telling([]string{"key", "row"}, member{"key", key}, member{"row", d.schemas.of(deref(v.Row.Type), false)})
		properties, _ := row.get("properties").(object)
		rows = append(rows, d.schemas.define("Put."+v.Name, row.with("properties", properties.with("view", object{{"const", v.Name}}))))
	}
	put[0].value = rows
	if len(rows) == 0 {
		put = object{}
	}
	return object{
		{"reset", d.schemas.define("Reset", telling(nil))},
		{"snapshot", d.schemas.define("Snapshot", telling(nil))},
		{"put", put},
		{"removed", d.schemas.define("Removed", telling([]string{"key"}, member{"key", key}))},
	}
}

func (d *describing) viewNames() []any {
	names := []any{}
	for _, v := range d.model.Projections {
		names = append(names, v.Name)
	}
	return names
}
