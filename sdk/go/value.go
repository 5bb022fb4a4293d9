package nexterm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// Optional is a value that may be null or absent. The zero Optional is absent.
type Optional[T any] struct {
	value T
	state state
}

type state uint8

const (
	absent state = iota
	null
	present
)

// Value is an Optional that has a value.
func Value[T any](value T) Optional[T] { return Optional[T]{value, present} }

// Null is an Optional that is null: a change to it takes away what was there.
func Null[T any]() Optional[T] { return Optional[T]{state: null} }

// Get returns the value, and whether there is one.
func (o Optional[T]) Get() (value T, found bool) { return o.value, o.state == present }

// Or is the value, or another one where there is none.
func (o Optional[T]) Or(other T) T {
	if o.state == present {
		return o.value
	}
	return other
}

// IsNull and IsZero tell null from absent.
func (o Optional[T]) IsNull() bool { return o.state == null }

// IsZero leaves the absent out of JSON.
func (o Optional[T]) IsZero() bool { return o.state == absent }

// Format prints the value as fmt prints it, or null, or absent.
func (o Optional[T]) Format(f fmt.State, verb rune) {
	switch o.state {
	case absent:
		fmt.Fprint(f, "absent")
	case null:
		fmt.Fprint(f, "null")
	default:
		fmt.Fprintf(f, fmt.FormatString(f, verb), o.value)
	}
}

func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if o.state != present {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	*o = Optional[T]{state: null}
	if string(data) == "null" {
		return nil
	}
	o.state = present
	// Lists are full of these two, and decoding them takes a third of the time.
	switch value := any(&o.value).(type) {
	case *int64:
		number, err := strconv.ParseInt(string(data), 10, 64)
		*value = number
		return err
	case *string:
		if plain := len(data) > 1 && data[0] == '"' && !bytes.ContainsFunc(data, special); plain {
			*value = string(data[1 : len(data)-1])
			return nil
		}
	}
	return json.Unmarshal(data, &o.value)
}

// special characters of a JSON text are not what they stand for, or not valid.
func special(r rune) bool { return r == '\\' || r == '\uFFFD' }

// List is a list that has to be sent; a nil one is empty. A slice can be assigned to it.
type List[T any] []T

func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Secret is a text that never prints: not by fmt, not in logs. string(secret) is the text,
// and so is its JSON.
type Secret string

const redacted = "[redacted]"

// Format prints an empty secret as nothing, and others as [redacted].
func (s Secret) Format(f fmt.State, _ rune) {
	if s != "" {
		fmt.Fprint(f, redacted)
	}
}

func (s Secret) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// decodeOpen and encodeOpen keep the members of an object that have no field.
func decodeOpen(data []byte, fields any, extra *map[string]any) error {
	if err := json.Unmarshal(data, fields); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	*extra = nil
	if err := decoder.Decode(extra); err != nil {
		return err
	}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(fields).Elem()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(*extra, name)
	}
	if len(*extra) == 0 {
		*extra = nil
	}
	return nil
}

func encodeOpen(fields any, extra map[string]any) ([]byte, error) {
	data, err := json.Marshal(fields)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	all := maps.Clone(extra)
	var named map[string]json.RawMessage
	if err := json.Unmarshal(data, &named); err != nil {
		return nil, err
	}
	for name, value := range named {
		all[name] = value
	}
	return json.Marshal(all)
}
