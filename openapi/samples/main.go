// Command samples writes gen/samples.json: how each operation of the contract is
// called with curl and with the SDKs, on the contract's own examples. The page of
// the documentation shows them.
//
// It reads what the SDKs' generators write, so it runs after them.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

func main() {
	if err := run("gen/contract.json", "sdk/go", "gen/samples.json"); err != nil {
		fmt.Fprintln(os.Stderr, "samples:", err)
		os.Exit(1)
	}
}

func run(contract, golang, target string) error {
	samples, err := write(contract, golang)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(samples); err != nil {
		return err
	}
	return os.WriteFile(target, out.Bytes(), 0o644)
}

// write returns the samples by operationId and language. What the SDKs have no
// method for has only curl's.
func write(contract, golang string) (map[string]map[string]string, error) {
	document, services, err := sdk.Read(contract)
	if err != nil {
		return nil, err
	}
	calls, samples := map[string]call{}, map[string]map[string]string{}
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Extensions["x-websocket"] == true {
				samples[op.OperationID] = watching
				continue
			}
			c := newCall(method, path, slices.Concat(item.Parameters, op.Parameters), op)
			calls[op.OperationID], samples[op.OperationID] = c, map[string]string{"curl": curl(c)}
		}
	}
	g, err := readGo(golang)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		for _, operation := range service.Operations {
			c, sample := calls[operation.ID], samples[operation.ID]
			if sample["go"], err = g.sample(operation.ID, c); err != nil {
				return nil, fmt.Errorf("%s: %w", operation.ID, err)
			}
			sample["typescript"] = typescript(service.Name, operation.Name, c)
			sample["python"] = python(service.Name, operation.Name, c)
		}
	}
	return samples, nil
}

// watching is the state feed, the only WebSocket; the SDKs connect anew by themselves.
var watching = map[string]string{
	"go":         "for update, err := range client.Watch(ctx) {\n\tif err != nil {\n\t\treturn err\n\t}\n\tfmt.Println(update.Type)\n}",
	"typescript": "for await (const update of client.watch()) {\n  console.log(update.type)\n}",
	"python":     "for update in client.watch():\n    print(update)",
}

// call is an operation with the contract's examples.
type call struct {
	method, path string
	ids          []any
	query        []member
	// body is nil for none, and bytes where it is no JSON.
	body                          any
	bytes                         bool
	public, tokenInQuery, answers bool
	image                         bool
}

type member struct {
	name  string
	value any
}

// object is a JSON object in its own order.
type object []member

func newCall(method, path string, parameters openapi3.Parameters, op *openapi3.Operation) call {
	c := call{method: method, path: path, public: len(*op.Security) == 0}
	for _, requirement := range *op.Security {
		c.tokenInQuery = c.tokenInQuery || requirement["queryToken"] != nil
	}
	for _, ref := range parameters {
		switch p := ref.Value; p.In {
		case "path":
			example := exampleOf(p)
			c.ids = append(c.ids, example)
			c.path = strings.ReplaceAll(c.path, "{"+p.Name+"}", fmt.Sprint(example))
		case "query":
			// One shows how. An id would be of something that the reader does not have.
			if text, found := exampleOf(p).(string); found && (p.Required || len(c.query) == 0 && !strings.HasSuffix(p.Name, "Id")) {
				c.query = append(c.query, member{p.Name, text})
			}
		}
	}
	if body := sdk.Body(op); body != nil {
		c.body = ordered(body, body.Value.Example)
	} else {
		c.bytes = op.RequestBody != nil
	}
	for _, ref := range sdk.Answers(op) {
		c.answers = c.answers || !sdk.Confirms(ref.Value)
	}
	if ok := op.Responses.Value("200"); ok != nil && len(ok.Value.Content) > 0 && len(sdk.Answers(op)) == 0 {
		c.answers, c.image = true, ok.Value.Content["image/webp"] != nil
	}
	return c
}

func exampleOf(p *openapi3.Parameter) any {
	if p.Example != nil {
		return p.Example
	}
	return p.Schema.Value.Example
}

// ordered is an example with the members in the order of their schema.
func ordered(ref *openapi3.SchemaRef, example any) any {
	switch value := example.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		if ref != nil && len(ref.Value.Properties) > 0 {
			known := sdk.Properties(ref.Value)
			slices.SortStableFunc(names, func(a, b string) int { return slices.Index(known, a) - slices.Index(known, b) })
		}
		out := object{}
		for _, name := range names {
			var schema *openapi3.SchemaRef
			if ref != nil {
				schema = ref.Value.Properties[name]
			}
			out = append(out, member{name, ordered(schema, value[name])})
		}
		return out
	case []any:
		var items *openapi3.SchemaRef
		if ref != nil {
			items = ref.Value.Items
		}
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = ordered(items, item)
		}
		return out
	}
	return example
}
