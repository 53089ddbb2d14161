package postgres

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/deed-es/deed"
)

// arguments are a statement's as the server gets them: as texts, so that it takes them for what stands there, and bytes as they are.
func arguments(s *deed.Statement, types []uint32) (values [][]byte, formats []int16, err error) {
	if len(s.Args) != len(types) {
		return nil, nil, ownError{fmt.Errorf("%d arguments for %d parameters in %.200q", len(s.Args), len(types), s.SQL)}
	}
	values, formats = make([][]byte, len(types)), make([]int16, len(types))
	for i, arg := range s.Args {
		if data, ok := arg.([]byte); ok {
			values[i] = data
			if types[i] == pgtype.ByteaOID {
				formats[i] = pgtype.BinaryFormatCode
			}
			continue
		}
		if arg == nil {
			continue
		}
		text, err := argument(arg)
		if err != nil {
			return nil, nil, ownError{fmt.Errorf("argument %d is %w", i+1, err)}
		}
		values[i] = []byte(text)
	}
	return values, formats, nil
}

func argument(arg any) (string, error) {
	switch v := arg.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	}
	switch v := reflect.ValueOf(arg); {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	case v.CanFloat() && math.IsInf(v.Float(), 0):
		return strings.TrimPrefix(strconv.FormatFloat(v.Float(), 'g', -1, 64), "+") + "inity", nil
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), nil
	}
	return "", fmt.Errorf("a %T, which is no value of SQL", arg)
}

// value is a value as the server gave it, as deed.TableStore has it: whole numbers and truth values as int64, floating ones as float64,
// bytes as they are, and all else as text.
func value(field *pgconn.FieldDescription, text []byte) (any, error) {
	if text == nil {
		return nil, nil
	}
	s := string(text)
	switch field.DataTypeOID {
	case pgtype.BoolOID:
		if s == "t" {
			return int64(1), nil
		}
		return int64(0), nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return strconv.ParseInt(s, 10, 64)
	case pgtype.Float4OID, pgtype.Float8OID:
		return strconv.ParseFloat(s, 64)
	case pgtype.ByteaOID:
		data := make([]byte, hex.DecodedLen(max(len(s)-2, 0)))
		_, err := hex.Decode(data, []byte(strings.TrimPrefix(s, `\x`)))
		return data, err
	case pgtype.TimestamptzOID:
		return inRFC3339("2006-01-02 15:04:05Z07", s), nil
	case pgtype.TimestampOID:
		return inRFC3339("2006-01-02 15:04:05", s), nil
	}
	return s, nil
}

// inRFC3339 is a time as deed writes it. What is none, as infinity, stays.
func inRFC3339(layout, s string) string {
	t, err := time.Parse(layout, s)
	if err != nil {
		return s
	}
	return t.UTC().Format(time.RFC3339Nano)
}
