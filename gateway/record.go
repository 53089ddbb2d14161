package gateway

import (
	"encoding/base64"
	"mime"

	"github.com/deed-es/deed"
)

// timeForm is RFC 3339 with microseconds.
const timeForm = "2006-01-02T15:04:05.000000Z07:00"

// appendRecord appends a record as JSON in one line.
func appendRecord(b []byte, r deed.Record) []byte {
	b = appendString(append(b, `{"id":`...), r.ID)
	b = appendString(append(b, `,"type":`...), r.Type)
	b = appendInt(append(b, `,"schema":`...), max(r.Schema, 1))
	b = appendString(append(b, `,"stream":`...), string(r.Stream))
	b = appendInt(append(b, `,"version":`...), r.Version)
	b = appendInt(append(b, `,"position":`...), r.Position)
	b = append(r.Time.UTC().AppendFormat(append(b, `,"time":"`...), timeForm), '"')
	if mayBeEffective(r.Metadata) {
		if effective := r.Meta().Effective; !effective.IsZero() {
			b = append(effective.UTC().AppendFormat(append(b, `,"effective":"`...), timeForm), '"')
		}
	}
	b = append(b, `,"tags":[`...)
	for i, tag := range r.Tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, tag)
	}
	b = append(b, `],"meta":`...)
	if len(r.Metadata) == 0 {
		b = append(b, "{}"...)
	} else {
		b = appendData(b, r.Metadata)
	}
	if !isJSONContent(r.ContentType) {
		b = appendString(append(b, `,"contentType":`...), r.ContentType)
		return append(appendBase64(append(b, `,"data":`...), r.Data), '}')
	}
	return append(appendData(append(b, `,"data":`...), r.Data), '}')
}

// mayBeEffective saves decoding metadata that cannot have an effective time.
func mayBeEffective(metadata []byte) bool {
	const shortest = len(`{"effective":"2006-01-02T15:04:05Z"}`)
	return len(metadata) >= shortest
}

func isJSONContent(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/json"
}

// appendData appends JSON as it is, and what is not JSON as a string in base64.
func appendData(b, data []byte) []byte {
	if b, ok := appendJSON(b, data); ok {
		return b
	}
	return appendBase64(b, data)
}

func appendBase64(b, data []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), data), '"')
}
