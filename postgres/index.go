package postgres

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// The first byte of an index value as it is stored, in the order of the contract: nil, false, true, numbers, texts.
const (
	valueNil = iota
	valueFalse
	valueTrue
	valueNumber
	valueText
)

// indexValue writes a value so that the bytes of two are ordered as they are, and equal where they are: 1 and 1.0, but not
// integers above 2^53 that share a float64. A number is the greatest float64 that is not above it, and how far it is above that.
func indexValue(value any) []byte {
	switch v := value.(type) {
	case bool:
		if v {
			return []byte{valueTrue}
		}
		return []byte{valueFalse}
	case int64:
		floor := float64(v)
		if floor >= 1<<63 || int64(floor) > v { // rounded up
			floor = math.Nextafter(floor, math.Inf(-1))
		}
		return indexNumber(floor, uint16(v-int64(floor)))
	case float64:
		return indexNumber(v, 0)
	case string:
		return append([]byte{valueText}, v...)
	}
	return []byte{valueNil}
}

func indexNumber(floor float64, above uint16) []byte {
	bits := math.Float64bits(floor)
	if floor == 0 { // -0 is 0
		bits = 0
	}
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	value := binary.BigEndian.AppendUint64([]byte{valueNumber}, bits)
	return binary.BigEndian.AppendUint16(value, above)
}

// texts are those of the words that the server can have stored: no NUL, and UTF-8. Nothing is found under the others.
func texts(words []string) []string {
	return slices.DeleteFunc(slices.Clone(nonNil(words)), func(word string) bool { return !isText(word) })
}

// orNone is a key as it is looked for: none is empty, and so is what cannot be stored.
func orNone(key string) string {
	if isText(key) {
		return key
	}
	return ""
}

func isText(word string) bool { return utf8.ValidString(word) && !strings.Contains(word, "\x00") }
