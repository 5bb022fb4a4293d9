// Package sdk names what the client SDKs offer, the same in every language: a
// service for each tag of the contract, with a method for each operation.
//
// A service is called as the plural of its tag (entry: entries), a method as its
// operation without that noun (createEntry: create, listRecentEntries: listRecent).
// Where this reads badly, x-sdk-name at the tag or the operation has the name.
// Languages spell the words in their own ways: entries.listRecent,
// Entries.ListRecent, entries.list_recent. gen/sdk.json is the whole table.
//
// WebSockets, and what only a browser can follow, are no methods.
package sdk

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
)

// Service is what the SDKs offer of a tag.
type Service struct {
	Name       string
	Tag        string
	Operations []Operation
	// Description is the tag's.
	Description string
}

// Operation is a method of a service.
type Operation struct {
	Name   string
	ID     string
	Method string
	Path   string

	// Parameters are those of the path, in its order, and then those of the query.
	Parameters []*openapi3.Parameter
	Contract   *openapi3.Operation
	// Pages is set where the answer is a page of a list.
	Pages *Pages
}

// Pages tell how to walk all of a paged list. The SDKs have an iterator for it
// besides the method.
type Pages struct {
	// Name is the iterator's: list is all, listLogs is allLogs.
	Name string
	// Items is the member of a page that holds its items.
	Items string
	// Cursor says that nextCursor of a page is the cursor of the next one; otherwise
	// offset counts items up to the page's total.
	Cursor bool
}

// Names is the table of services, methods and operationIds.
func Names(services []Service) map[string]map[string]string {
	names := map[string]map[string]string{}
	for _, service := range services {
		names[service.Name] = map[string]string{}
		for _, operation := range service.Operations {
			names[service.Name][operation.Name] = operation.ID
			if operation.Pages != nil {
				names[service.Name][operation.Pages.Name] = operation.ID
			}
		}
	}
	return names
}

// Read returns the contract in a file, and its services.
func Read(contract string) (*openapi3.T, []Service, error) {
	document, err := openapi3.NewLoader().LoadFromFile(contract)
	if err != nil {
		return nil, nil, err
	}
	services, err := Services(document)
	return document, services, err
}

// Services are those that have operations, in the order of the tags; their
// operations are in the order of the operationIds.
func Services(document *openapi3.T) ([]Service, error) {
	var services []Service
	seen := map[string]string{}
	for _, tag := range document.Tags {
		service := Service{Name: plural(tag.Name), Tag: tag.Name, Description: tag.Description}
		if name, found := tag.Extensions["x-sdk-name"].(string); found {
			service.Name = name
		}
		for path, item := range document.Paths.Map() {
			for method, op := range item.Operations() {
				if op.Tags[0] != tag.Name || !answers(op) {
					continue
				}
				operation := Operation{Name: shorten(op.OperationID, service.Name), ID: op.OperationID, Method: method, Path: path, Parameters: parameters(item, op), Contract: op}
				if name, found := op.Extensions["x-sdk-name"].(string); found {
					operation.Name = name
				}
				operation.Pages = pages(operation)
				place := service.Name + "." + operation.Name
				if other, taken := seen[place]; taken {
					return nil, fmt.Errorf("%s and %s are both %s; give one of them an x-sdk-name", min(op.OperationID, other), max(op.OperationID, other), place)
				}
				seen[place] = op.OperationID
				service.Operations = append(service.Operations, operation)
			}
		}
		if len(service.Operations) == 0 {
			continue
		}
		slices.SortFunc(service.Operations, func(a, b Operation) int { return strings.Compare(a.ID, b.ID) })
		services = append(services, service)
	}
	return services, nil
}

func parameters(item *openapi3.PathItem, op *openapi3.Operation) []*openapi3.Parameter {
	var path, query []*openapi3.Parameter
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		switch ref.Value.In {
		case "path":
			path = append(path, ref.Value)
		case "query":
			query = append(query, ref.Value)
		}
	}
	return append(path, query...)
}

// answers: a program can read how the operation went.
func answers(op *openapi3.Operation) bool {
	for status := range op.Responses.Map() {
		if strings.HasPrefix(status, "2") {
			return true
		}
	}
	return false
}

func pages(operation Operation) *Pages {
	rest, found := strings.CutPrefix(operation.Name, "list")
	takes := func(name string) bool {
		return slices.ContainsFunc(operation.Parameters, func(p *openapi3.Parameter) bool { return p.Name == name })
	}
	if !found || !takes("limit") || !takes("offset") {
		return nil
	}
	for name, property := range operation.Contract.Responses.Value("200").Value.Content.Get("application/json").Schema.Value.Properties {
		if property.Value.Type.Is("array") {
			return &Pages{Name: "all" + rest, Items: name, Cursor: takes("cursor")}
		}
	}
	return nil
}

// secrets are properties that hold a secret whatever object they are in.
var secrets = []string{"password", "passphrase", "sshKey", "token", "secret", "clientSecret"}

// Secret says of a property that the SDKs never print it.
func Secret(name string, schema *openapi3.Schema) bool {
	return schema.Format == "password" || schema.Extensions["x-secret"] == true || slices.Contains(secrets, name)
}

// shorten takes the service's noun out of an operationId: all of its words, or
// the last of them, as one or as many.
func shorten(id, service string) string {
	words, noun := Words(id), Words(singular(service))
	for from := range noun {
		short := noun[from:]
		for at := 1; at+len(short) <= len(words); at++ {
			found := words[at : at+len(short)]
			last := len(short) - 1
			if slices.Equal(found[:last], short[:last]) && (found[last] == short[last] || found[last] == plural(short[last])) {
				return Camel(slices.Delete(words, at, at+len(short)))
			}
		}
	}
	return id
}

func plural(noun string) string {
	if stem, found := strings.CutSuffix(noun, "y"); found && !strings.HasSuffix(stem, "e") {
		return stem + "ies"
	}
	return noun + "s"
}

func singular(noun string) string {
	if stem, found := strings.CutSuffix(noun, "ies"); found {
		return stem + "y"
	}
	return strings.TrimSuffix(noun, "s")
}

// Words are the words of a camelCase name, in small letters.
func Words(name string) []string {
	var words []string
	letters := []rune(name)
	start := 0
	for i := 1; i < len(letters); i++ {
		// A capital begins a word, the last one of several too: importSSHConfig.
		after := i+1 < len(letters) && unicode.IsLower(letters[i+1])
		if unicode.IsUpper(letters[i]) && (!unicode.IsUpper(letters[i-1]) || after) {
			words = append(words, strings.ToLower(string(letters[start:i])))
			start = i
		}
	}
	return append(words, strings.ToLower(string(letters[start:])))
}

// Camel writes words as one camelCase name.
func Camel(words []string) string {
	name := words[0]
	for _, word := range words[1:] {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
