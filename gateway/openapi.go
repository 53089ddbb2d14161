package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// documents is the documentation of a service with so many routes.
type documents struct {
	routes   int
	openAPI  page
	asyncAPI page
	html     page
}

// page is a document as it is sent.
type page struct {
	body []byte
	tag  string
}

func newPage(body []byte) page {
	sum := sha256.Sum256(body)
	return page{body: body, tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// documentation is a route that answers with a document.
func (g *Gateway) documentation(path, summary, mediaType string, which func(*documents) page) Route {
	content := []string{mediaType}
	return Route{
		Method: http.MethodGet, Pattern: path, Summary: summary, kind: kindPlain, tagged: true, Query: []Parameter{},
		Answers: map[int]any{200: described(mediaType), 304: nil},
		Handle: func(c *Call) error {
			d, err := g.documented()
			if err != nil {
				return err
			}
			p := which(d)
			if mediaType == htmlType {
				secure(c.Writer.Header())
			}
			if !c.unchanged(p.tag) {
				c.write(http.StatusOK, content, p.body)
			}
			return nil
		},
	}
}

func described(mediaType string) any {
	if mediaType == "application/json" {
		return map[string]any{}
	}
	return Content(mediaType)
}

// OpenAPI returns the OpenAPI 3.1 document of the service, as GET /openapi.json does. The same service has the same bytes.
func (g *Gateway) OpenAPI() ([]byte, error) {
	d, err := g.documented()
	if err != nil {
		return nil, err
	}
	return slices.Clone(d.openAPI.body), nil
}

// AsyncAPI returns the AsyncAPI 3.0 document of the service's events, as GET /asyncapi.json does.
func (g *Gateway) AsyncAPI() ([]byte, error) {
	d, err := g.documented()
	if err != nil {
		return nil, err
	}
	return slices.Clone(d.asyncAPI.body), nil
}

// documented returns the documentation of the routes that there are now.
func (g *Gateway) documented() (*documents, error) {
	routes := g.Routes()
	g.mu.Lock()
	known := g.docs
	g.mu.Unlock()
	if known != nil && known.routes == len(routes) {
		return known, nil
	}
	made, err := g.describe(routes)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.docs = made
	return made, nil
}

func (g *Gateway) describe(routes []Route) (*documents, error) {
	d := g.describing()
	var err error
	if d.examples, err = parseExamples(g.options.Examples); err != nil {
		return nil, err
	}
	all := d.operations(routes)
	d.examples.illustrate(all)
	openAPI, err := json.Marshal(d.openAPI(all))
	if err != nil {
		return nil, err
	}
	events := d.channels()
	asyncAPI, err := json.Marshal(d.asyncAPI(events))
	if err != nil {
		return nil, err
	}
	html, err := d.html(all, events)
	if err != nil {
		return nil, err
	}
	return &documents{routes: len(routes), openAPI: newPage(openAPI), asyncAPI: newPage(asyncAPI), html: newPage(html)}, nil
}

func (g *Gateway) describing() *describing {
	d := &describing{gateway: g, model: g.service.Model(), schemas: newSchemas()}
	d.schemas.define("Problem", problemSchema())
	d.record = d.schemas.of(reflect.TypeFor[recordAnswer](), false)
	return d
}

const introduction = `Every request may carry Deed-Correlation-Id or traceparent. Every error is an application/problem+json with a stable code. ` +
	`Positions are opaque tokens: the header Deed-Position of an answer, sent back with a later question, makes the answer know of what it stands for. ` +
	`GET routes answer HEAD too. A method that a path does not take is 405 method-not-allowed, with Allow; a path that is not here is 404 not-found. ` +
	`Who may do what is for the service's Authorizer to say: any route may answer 401 or 403.`

func (d *describing) openAPI(all []operation) object {
	o := &d.gateway.options
	parameters, responses := newShelf("parameters"), newShelf("responses")
	paths := object{}
	for _, o := range all {
		item, _ := paths.get(o.path).(object)
		paths = paths.with(o.path, append(slices.Clone(item), member{strings.ToLower(o.method), o.openAPI(parameters, responses)}))
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", o.Title}, {"version", o.Version}, {"description", introduction}}},
		{"tags", tagsOf(all)},
		{"paths", paths},
		{"components", object{
			{"schemas", d.schemas.defs}, {"parameters", parameters.defs}, {"responses", responses.defs}, {"headers", headerComponents()},
		}},
		{"x-deed-problems", problemList()},
	}
}

func tagsOf(all []operation) []any {
	var tags []any
	for _, name := range groupsOf(all) {
		tags = append(tags, object{{"name", name}})
	}
	return tags
}

// groupsOf are the groups of operations: the service's own routes, what its categories have, and the rest.
func groupsOf(all []operation) []string {
	var names []string
	for _, o := range all {
		if !slices.Contains(names, o.group) {
			names = append(names, o.group)
		}
	}
	if i := slices.Index(names, groupOwn); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, groupOwn)
	}
	return names
}

// shelf keeps what many operations have, once.
type shelf struct {
	kind  string
	names map[string]string // by what they stand for
	defs  object
}

func newShelf(kind string) *shelf { return &shelf{kind: kind, names: map[string]string{}} }

// put returns a reference to a thing, which is called name, or like it where another thing has that name.
func (s *shelf) put(name string, thing object) object {
	text := plainJSON(thing)
	known, ok := s.names[text]
	if !ok {
		known = name
		for i := 2; s.defs.get(known) != nil; i++ {
			known = name + "-" + strconv.Itoa(i)
		}
		s.names[text] = known
		s.defs = append(s.defs, member{known, thing})
	}
	return object{{"$ref", "#/components/" + s.kind + "/" + known}}
}

func (o *operation) openAPI(parameters, responses *shelf) object {
	op := object{{"operationId", o.id}, {"summary", o.summary}, {"tags", []string{o.group}}}
	var params []any
	for _, p := range o.params {
		said := p.openAPI()
		if p.in == "header" || p.in == "cookie" {
			said = parameters.put(p.in+"."+p.name, said)
		}
		params = append(params, said)
	}
	op = append(op, member{"parameters", params})
	if o.body != nil {
		content := object{{"schema", o.body}}
		if o.example != nil {
			content = append(content, member{"example", o.example})
		}
		op = append(op, member{"requestBody", object{{"required", true}, {"content", object{{"application/json", content}}}}})
	}
	answers := object{}
	for _, a := range o.answers {
		said := a.openAPI()
		if len(a.codes) > 0 {
			said = responses.put("Problem."+strconv.Itoa(a.status), said)
		}
		answers = append(answers, member{strconv.Itoa(a.status), said})
	}
	return append(op, member{"responses", answers}, member{"x-deed-route", o.route})
}

func (p *parameter) openAPI() object {
	schema := p.schema
	if p.repeated {
		schema = object{{"type", "array"}, {"items", schema}}
	}
	o := object{{"name", p.name}, {"in", p.in}}
	if p.summary != "" {
		o = append(o, member{"description", p.summary})
	}
	if p.required {
		o = append(o, member{"required", true})
	}
	if p.free || p.repeated {
		o = append(o, member{"style", "form"}, member{"explode", true})
	}
	if p.example != "" {
		o = append(o, member{"example", p.example})
	}
	return append(o, member{"schema", schema})
}

func (a *response) openAPI() object {
	headers := object{}
	for _, name := range append([]string{"Deed-Correlation-Id"}, a.headers...) {
		headers = append(headers, member{name, object{{"$ref", "#/components/headers/" + name}}})
	}
	o := object{{"description", a.about()}, {"headers", headers}}
	if len(a.media) == 0 {
		return o
	}
	content := object{}
	for _, m := range a.media {
		media := object{{"schema", m.schema}}
		if m.item != nil {
			media = append(media, member{"x-deed-item", m.item})
		}
		if m.events != nil {
			media = append(media, member{"x-deed-events", m.events})
		}
		if m.example != nil {
			media = append(media, member{"example", m.example})
		}
		if len(m.examples) > 0 {
			media = append(media, member{"examples", m.examples})
		}
		content = append(content, member{m.kind, media})
	}
	return append(o, member{"content", content})
}

// about says in words what an answer is.
func (a *response) about() string {
	if len(a.codes) == 0 {
		return a.summary
	}
	text := a.summary + ": " + strings.Join(a.codes, ", ")
	if a.open {
		text += ", or a code of the domain's own"
	}
	return text
}

func headerComponents() object {
	headers := object{}
	for _, h := range answerHeaders {
		headers = append(headers, member{h.name, object{{"description", h.means}, {"schema", stringSchema}}})
	}
	return headers
}

func problemList() []any {
	list := make([]any, len(codes))
	for i, c := range codes {
		list[i] = object{{"status", c.status}, {"code", c.name}, {"means", c.means}}
	}
	return list
}

// unifyPaths calls what varies by the same names wherever paths differ in nothing else.
func unifyPaths(all []operation) {
	first := map[string]string{}
	for i := range all {
		o := &all[i]
		segments := strings.Split(o.path, "/")
		shape := slices.Clone(segments)
		for j, s := range shape {
			if _, ok := wildcard(s); ok {
				shape[j] = "{" + strconv.Itoa(j) + "}"
			}
		}
		known, ok := first[strings.Join(shape, "/")]
		if !ok {
			first[strings.Join(shape, "/")] = o.path
			continue
		}
		names := wildcards(known)
		for k := range o.params {
			if p := &o.params[k]; p.in == "path" {
				p.name, names = names[0], names[1:]
			}
		}
		o.path = known
	}
}

func wildcards(path string) []string {
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := wildcard(segment); ok {
			names = append(names, name)
		}
	}
	return names
}
