package console

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/deed-es/deed"
)

// datum is data of a record, or a row or a state, as it is shown: as JSON, as text, or as bytes.
type datum struct {
	JSON        *node
	Text        string // of a content type that is text
	Hex         string // the beginning of what is neither
	Size        int
	ContentType string // empty: JSON
	Broken      bool   // it says that it is JSON, and is not
	Raw         string // address of the whole; empty: there is none
}

const (
	shownHex   = 1024  // bytes
	shownText  = 20000 // characters
	shownNodes = 4000
	shownDepth = 40
	shownValue = 300 // characters before a string is folded
)

func datumOf(data []byte, contentType, raw string) datum {
	d := datum{Size: len(data), Raw: raw}
	kind, _, err := mime.ParseMediaType(contentType)
	isJSON := contentType == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
	if !isJSON {
		d.ContentType = contentType
	}
	switch {
	case isJSON && json.Valid(data):
		d.JSON = nodeOf(data)
		return d
	case utf8.Valid(data) && (isJSON || strings.HasPrefix(kind, "text/")):
		d.Text = cut(shownText, string(data))
	default:
		d.Hex = hex.Dump(data[:min(len(data), shownHex)])
	}
	d.Broken = isJSON
	return d
}

// node is a JSON value as it is shown: folded, and in colours.
type node struct {
	Key    string
	Keyed  bool
	Kind   string // object, array, string, number, boolean or null
	Text   string
	More   string // what follows of a long string
	Nodes  []*node
	Count  int    // of Nodes, those left out included
	Open   bool   // it is unfolded at first
	Cut    bool   // something of it is left out
	Length int    // of a long string, in characters
	Mark   string // how it differs from what it stands beside; empty: it does not
}

// mark says of the value at a path that it differs, and unfolds what is around it. What is not shown cannot be marked: then what
// it is in is.
func (n *node) mark(path []step, kind string) {
	for _, s := range path {
		i := s.index
		if i < 0 {
			i = slices.IndexFunc(n.Nodes, func(child *node) bool { return child.Keyed && child.Key == cut(shownValue, s.name) })
		}
		if i < 0 || i >= len(n.Nodes) {
			break
		}
		n.Open = true
		n = n.Nodes[i]
	}
	n.Mark = kind
}

// nodeOf makes the nodes of valid JSON.
func nodeOf(data []byte) *node {
	r := nodeReader{decoder: json.NewDecoder(bytes.NewReader(data)), left: shownNodes}
	r.decoder.UseNumber()
	token, err := r.decoder.Token()
	if err != nil {
		return &node{Kind: "null", Cut: true}
	}
	return r.read(token, 0)
}

type nodeReader struct {
	decoder *json.Decoder
	left    int
}

func (r *nodeReader) read(token json.Token, depth int) *node {
	r.left--
	n := &node{}
	switch t := token.(type) {
	case json.Delim:
		r.fill(n, t, depth)
	case string:
		n.Kind = "string"
		n.fold(t)
	case json.Number:
		n.Kind, n.Text = "number", cut(shownValue, t.String())
	case bool:
		n.Kind, n.Text = "boolean", "false"
		if t {
			n.Text = "true"
		}
	default:
		n.Kind, n.Text = "null", "null"
	}
	return n
}

func (r *nodeReader) fill(n *node, open json.Delim, depth int) {
	n.Kind = "array"
	if open == '{' {
		n.Kind = "object"
	}
	for r.decoder.More() {
		n.Count++
		if r.left <= 0 || depth >= shownDepth {
			n.Cut = true
			r.pass(n.Kind == "object")
			continue
		}
		key := ""
		if n.Kind == "object" {
			token, _ := r.decoder.Token()
			key, _ = token.(string)
		}
		token, err := r.decoder.Token()
		if err != nil {
			n.Cut = true
			return
		}
		child := r.read(token, depth+1)
		child.Key, child.Keyed = cut(shownValue, key), n.Kind == "object"
		n.Nodes = append(n.Nodes, child)
	}
	_, _ = r.decoder.Token()
	n.Open = depth < 2 && n.Count <= 40
}

// pass reads over a value, with its key.
func (r *nodeReader) pass(keyed bool) {
	if keyed {
		_, _ = r.decoder.Token()
	}
	var skipped json.RawMessage
	_ = r.decoder.Decode(&skipped)
}

func (n *node) fold(text string) {
	n.Length = utf8.RuneCountInString(text)
	if n.Length <= shownValue {
		n.Text = text
		return
	}
	end, count := len(text), 0
	for i := range text {
		if count == shownValue {
			n.Text = text[:i]
			n.More = text[i:]
		}
		if count == shownText {
			end = i
			break
		}
		count++
	}
	if end < len(text) {
		n.Cut = true
		n.More = text[len(n.Text):end]
	}
}

// preview is data in one line.
func preview(r deed.Record) string {
	const most = 160
	data := r.Data[:min(len(r.Data), 4*most)]
	kind, _, err := mime.ParseMediaType(r.ContentType)
	isText := r.ContentType == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json") || strings.HasPrefix(kind, "text/"))
	if !isText {
		return r.ContentType + ", " + byteSize(len(r.Data))
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(data), "\ufffd")), " ")
	if short := cut(most, text); short != text || len(data) == len(r.Data) {
		return short
	}
	return text + "…"
}
