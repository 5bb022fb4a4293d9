package nexterm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// schema is what the tests read of the contract's schemas and media types.
type schema struct {
	Ref     string          `json:"$ref"`
	Items   *schema         `json:"items"`
	Schema  *schema         `json:"schema"`
	Example json.RawMessage `json:"example"`
}

type operation struct {
	ID          string `json:"operationId"`
	RequestBody struct {
		Content map[string]schema
	}
	Responses map[string]struct {
		Content map[string]schema
	}
}

type contract struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]schema }
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "gen", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func (c *contract) operations(t *testing.T) map[string]operation {
	t.Helper()
	operations := map[string]operation{}
	for _, item := range c.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(err)
			}
			operations[op.ID] = op
		}
	}
	return operations
}

// example is that of the media type itself, or of its schema.
func (c *contract) example(s schema) json.RawMessage {
	switch {
	case s.Example != nil:
		return s.Example
	case s.Schema != nil:
		return c.example(*s.Schema)
	case s.Ref != "":
		return c.example(c.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]])
	case s.Items != nil:
		if item := c.example(*s.Items); item != nil {
			return bytes.Join([][]byte{[]byte("["), item, []byte("]")}, nil)
		}
	}
	return nil
}

// iterators are functions, which nothing else is that a method returns.
const iterators = reflect.Func

// methods calls visit with each method of each service and the operation that it is.
func methods(t *testing.T, c *contract, services nexterm.Services, visit func(name string, method reflect.Value, op operation)) {
	t.Helper()
	names := map[string]map[string]string{}
	read(t, "sdk.json", &names)
	operations := c.operations(t)
	for service, table := range names {
		for name, id := range table {
			value := reflect.ValueOf(services).FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, service) })
			method, found := value.Type(), false
			for i := range method.NumMethod() {
				if strings.EqualFold(method.Method(i).Name, name) {
					found = true
					visit(service+"."+name, value.Method(i), operations[id])
				}
			}
			if !found {
				t.Errorf("%s.%s is missing", service, name)
			}
		}
	}
}

// same compares JSON, but not how times are written, nor whether what is null or false
// is left out.
func same(t *testing.T, place string, want, got []byte) {
	t.Helper()
	read := func(data []byte) (value any) {
		if err := json.Unmarshal(bytes.ReplaceAll(data, []byte(".000Z"), []byte("Z")), &value); err != nil {
			t.Errorf("%s: %v", place, err)
		}
		return bare(value)
	}
	if !reflect.DeepEqual(read(want), read(got)) {
		t.Errorf("%s: the example\n%s\nbecomes\n%s", place, want, got)
	}
}

func bare(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = bare(value[i])
		}
	case map[string]any:
		for name, member := range value {
			if value[name] = bare(member); member == nil || member == false {
				delete(value, name)
			}
		}
	}
	return value
}

// Every example of the contract goes through the SDK's types unharmed.
func TestTypesHoldTheExamples(t *testing.T) {
	t.Parallel()
	var c contract
	read(t, "contract.json", &c)
	through := func(place string, example json.RawMessage, into reflect.Type) {
		value := reflect.New(into)
		if err := json.Unmarshal(example, value.Interface()); err != nil {
			t.Errorf("%s: %v", place, err)
			return
		}
		back, err := json.Marshal(value.Interface())
		if err != nil {
			t.Errorf("%s: %v", place, err)
		}
		same(t, place, example, back)
	}
	checked := 0
	methods(t, &c, client(t, address).Services, func(name string, method reflect.Value, op operation) {
		for i := range method.Type().NumIn() {
			if body := method.Type().In(i); body.Kind() == reflect.Struct {
				through(name, c.example(op.RequestBody.Content["application/json"]), body)
				checked++
			}
		}
		if method.Type().NumOut() != 2 || method.Type().Out(0).Kind() == iterators {
			return
		}
		for _, status := range []string{"200", "201"} {
			if example := c.example(op.Responses[status].Content["application/json"]); example != nil {
				through(name, example, method.Type().Out(0))
				checked++
			}
		}
	})
	if checked < 100 {
		t.Errorf("only %d examples", checked)
	}
}

// Every method is an operation that the server knows, with a body that it reads.
func TestMethodsAreOperations(t *testing.T) {
	t.Parallel()
	var c contract
	read(t, "contract.json", &c)
	response, err := http.Get(address + "/api/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var unknown struct{ Message string }
	if err := json.NewDecoder(response.Body).Decode(&unknown); err != nil {
		t.Fatal(err)
	}
	called := 0
	methods(t, &c, account(t, "everything").Services, func(name string, method reflect.Value, op operation) {
		if method.Type().NumOut() == 1 && method.Type().Out(0).Kind() == iterators {
			return
		}
		arguments := []reflect.Value{reflect.ValueOf(t.Context())}
		for i := 1; i < method.Type().NumIn(); i++ {
			argument := reflect.New(method.Type().In(i)).Elem()
			switch argument.Kind() {
			case reflect.Int64:
				argument.SetInt(1 << 40)
			case reflect.String: // an id or a name in the path
				argument.SetString("3f2b8c1e-0000-4000-8000-000000000000")
			case reflect.Struct:
				if err := json.Unmarshal(c.example(op.RequestBody.Content["application/json"]), argument.Addr().Interface()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case reflect.Slice:
				if method.Type().IsVariadic() && i == method.Type().NumIn()-1 {
					continue
				}
			}
			arguments = append(arguments, argument)
		}
		results := method.Call(arguments)
		called++
		err, _ := results[len(results)-1].Interface().(error)
		var failure *nexterm.Error
		if err == nil || errors.As(err, &failure) && failure.Status >= 400 && failure.Status < 500 && !errors.Is(err, nexterm.ErrUnexpected) && failure.Message != unknown.Message && failure.Status != http.StatusMethodNotAllowed {
			return
		}
		t.Errorf("%s: %v", name, err)
	})
	if called < 100 {
		t.Errorf("only %d methods", called)
	}
}
