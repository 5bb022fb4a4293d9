package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// compiled is the schema, ready to check by.
var compiled = sync.OnceValue(func() *jsonschema.Schema {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		panic(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseRegexpEngine(expression)
	if err := compiler.AddResource("manifest.json", document); err != nil {
		panic(err)
	}
	return compiler.MustCompile("manifest.json")
})

var codePoint = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

type pattern struct{ *regexp.Regexp }

// expression reads ECMA's \u0000, which the contract's patterns have.
func expression(text string) (jsonschema.Regexp, error) {
	compiled, err := regexp.Compile(codePoint.ReplaceAllString(text, `\x{$1}`))
	return pattern{compiled}, err
}

var english = message.NewPrinter(language.English)

// secretKeys are what holds a secret, in an identity or where it has no business.
var secretKeys = []string{"password", "passphrase", "sshKey", "privateKey"}

// validate holds the document against the schema.
func (d *Document) validate(root *yaml.Node) {
	var invalid *jsonschema.ValidationError
	err := compiled().Validate(valueOf(root))
	if err == nil {
		return
	}
	invalid, ok := err.(*jsonschema.ValidationError) //nolint:errorlint // it is never wrapped
	if !ok {
		d.problems.add(0, "%s", err.Error())
		return
	}
	d.tell(root, invalid)
}

// tell adds what an error of the schema says, and those that it consists of. The
// text of a secret is in none of them.
func (d *Document) tell(root *yaml.Node, invalid *jsonschema.ValidationError) {
	p, place := &d.problems, invalid.InstanceLocation
	for _, cause := range invalid.Causes {
		d.tell(root, cause)
	}
	if len(invalid.Causes) > 0 || len(p.All) >= most {
		return
	}
	node, last := at(root, place), ""
	if len(place) > 0 {
		last = place[len(place)-1]
	}
	name := called(place)
	switch k := invalid.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for i := 0; i < len(node.Content); i += 2 {
			if key := node.Content[i]; slices.Contains(k.Properties[:min(most, len(k.Properties))], key.Value) {
				p.add(key.Line, "unknown key %s", key.Value)
			}
		}
	case *kind.Required:
		p.add(node.Line, "%s: missing", strings.Join(k.Missing, ", "))
	case *kind.FalseSchema:
		p.add(node.Line, "%s: secrets belong to identities, which entries are linked to by name", last)
	case *kind.Type:
		if slices.Contains(secretKeys, last) {
			p.add(node.Line, "%s: a secret in clear; write where it is: {file: PATH}, {env: NAME} or {stdin: true}", last)
			return
		}
		p.add(node.Line, "%s: has to be of type %s", name, strings.Join(k.Want, " or "))
	case *kind.MinProperties, *kind.MaxProperties:
		p.add(node.Line, "%s: write where it is in one way: {file: PATH}, {env: NAME} or {stdin: true}", name)
	case *kind.Pattern:
		p.add(node.Line, "%s: %s has not the form that it has to have", name, node.Value)
	default:
		p.add(node.Line, "%s: %s", name, fmt.Sprint(invalid.ErrorKind.LocalizedString(english)))
	}
}
