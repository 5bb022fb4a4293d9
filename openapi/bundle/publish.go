package main

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// told are the extensions that tell clients something; all others are for the
// server and its generators.
var told = []string{"x-alias", "x-body-limit", "x-displayName", "x-event", "x-permission", "x-rate-limit", "x-websocket"}

// named are the members whose own members people name, and may name x-anything.
var named = []string{"properties", "headers", "example"}

// publish makes what clients read of the contract: without what is not theirs, with
// null among the values of an enum that may be null (OpenAPI 3.0.3, proposal
// "Clarify Semantics of nullable"), and with a failure of any other status in every
// operation, because servers behind proxies answer more than they know.
func publish(root *yaml.Node) {
	reduce(root)
	eachOperation(root, func(_ string, operation *yaml.Node) {
		refer(member(operation, "responses"), "default", "#/components/responses/Failure")
	})
}

func reduce(node *yaml.Node) {
	if node.Kind == yaml.MappingNode {
		var kept []*yaml.Node
		for i := 0; i < len(node.Content); i += 2 {
			name, value := node.Content[i].Value, node.Content[i+1]
			if strings.HasPrefix(name, "x-") && !slices.Contains(told, name) {
				continue
			}
			kept = append(kept, node.Content[i], value)
			if slices.Contains(named, name) {
				for _, inner := range value.Content {
					reduce(inner)
				}
				continue
			}
			reduce(value)
		}
		node.Content = kept
		enum, nullable := member(node, "enum"), member(node, "nullable")
		if enum != nil && nullable != nil && nullable.Value == "true" {
			enum.Content = append(enum.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"})
		}
		return
	}
	for _, item := range node.Content {
		reduce(item)
	}
}

// eachOperation visits the operations with their methods.
func eachOperation(root *yaml.Node, visit func(method string, operation *yaml.Node)) {
	paths := member(root, "paths")
	for i := 1; i < len(paths.Content); i += 2 {
		for _, method := range []string{"get", "put", "post", "patch", "delete"} {
			if operation := member(paths.Content[i], method); operation != nil {
				visit(method, operation)
			}
		}
	}
}

// answerNotModified says of everything that is read as JSON that a client may have
// it already, but for secrets.
func answerNotModified(root *yaml.Node) {
	eachOperation(root, func(method string, operation *yaml.Node) {
		responses := member(operation, "responses")
		asJSON := member(member(member(responses, "200"), "content"), "application/json")
		if method == "get" && asJSON != nil && member(operation, "x-secret") == nil {
			refer(responses, "304", "#/components/responses/NotModified")
		}
	})
}

// refer adds a member that is a reference.
func refer(node *yaml.Node, name, target string) {
	text := func(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value} }
	node.Content = append(node.Content, text(name), &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("$ref"), text(target)}})
}
