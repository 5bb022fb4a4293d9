package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// golang knows the Go SDK from its source: its methods by the operationId that their
// comments name, and the types of what they take.
type golang struct {
	methods map[string]*ast.FuncDecl
	types   map[string]ast.Expr
}

var ofOperation = regexp.MustCompile(`operation (\w+)\.\n`)

func readGo(dir string) (*golang, error) {
	g := &golang{map[string]*ast.FuncDecl{}, map[string]ast.Expr{}}
	for _, name := range []string{"services.gen.go", "types.gen.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if found := ofOperation.FindStringSubmatch(d.Doc.Text()); found != nil && d.Recv != nil {
					g.methods[found[1]] = d
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if named, found := spec.(*ast.TypeSpec); found {
						g.types[named.Name.Name] = named.Type
					}
				}
			}
		}
	}
	return g, nil
}

func (g *golang) sample(id string, c call) (string, error) {
	method := g.methods[id]
	if method == nil {
		return "", fmt.Errorf("the Go SDK has no method for it")
	}
	arguments := []string{"ctx"}
	for _, id := range c.ids {
		arguments = append(arguments, plainJSON(id))
	}
	for _, parameter := range method.Type.Params.List {
		var value any
		switch parameter.Names[0].Name {
		case "body":
			value = c.body
		case "query":
			if len(c.query) > 0 {
				value = object(c.query)
			}
		case "data":
			arguments = append(arguments, "picture")
		}
		if list, many := parameter.Type.(*ast.Ellipsis); many {
			parameter = &ast.Field{Type: list.Elt}
		}
		if value != nil {
			text, err := g.literal(parameter.Type, value)
			if err != nil {
				return "", err
			}
			arguments = append(arguments, text)
		}
	}
	service := types.ExprString(method.Recv.List[0].Type)
	service = strings.TrimSuffix(strings.TrimPrefix(service, "*"), "Service")
	results := "err"
	if len(method.Type.Results.List) > 1 {
		results = "answer, err"
	}
	source := fmt.Sprintf("%s := client.%s.%s(%s)", results, service, method.Name.Name, strings.Join(arguments, ", "))
	formatted, err := format.Source([]byte(source))
	return string(formatted), err
}

// literal writes an example as a value of a type of the SDK.
func (g *golang) literal(expr ast.Expr, value any) (string, error) {
	switch t := expr.(type) {
	case *ast.StarExpr:
		text, err := g.literal(t.X, value)
		return "&" + text, err
	case *ast.IndexExpr:
		name, of := types.ExprString(t.X), qualified(t.Index)
		if name == "List" {
			return g.literal(&ast.ArrayType{Elt: t.Index}, value)
		}
		if value == nil {
			return "nexterm.Null[" + of + "]()", nil
		}
		text, err := g.literal(t.Index, value)
		if of == "string" || of == "bool" {
			return "nexterm.Value(" + text + ")", err
		}
		return "nexterm.Value[" + of + "](" + text + ")", err
	case *ast.ArrayType:
		items, _ := value.([]any)
		texts := make([]string, len(items))
		for i, item := range items {
			text, err := g.literal(t.Elt, item)
			if err != nil {
				return "", err
			}
			texts[i] = strings.TrimPrefix(text, qualified(t.Elt))
			if _, isNumber := item.(float64); isNumber {
				texts[i] = text
			}
		}
		return list(qualified(t), texts), nil
	case *ast.MapType:
		return g.members(qualified(t), value, func(name string) (string, ast.Expr) { return fmt.Sprintf("%q", name), t.Value })
	case *ast.Ident:
		structure, isStruct := g.types[t.Name].(*ast.StructType)
		if isStruct {
			return g.members(qualified(t), value, func(name string) (string, ast.Expr) { return g.field(structure, name) })
		}
	}
	switch value.(type) {
	case string, bool, float64:
		return plainJSON(value), nil
	}
	return "", fmt.Errorf("no way to write %v as a %s", value, types.ExprString(expr))
}

func (g *golang) members(open string, value any, of func(name string) (key string, t ast.Expr)) (string, error) {
	var texts []string
	members, _ := value.(object)
	for _, m := range members {
		key, t := of(m.name)
		if t == nil {
			return "", fmt.Errorf("%s has no %s", open, m.name)
		}
		// What has no way to be null is null when it is left out.
		if _, optional := t.(*ast.IndexExpr); m.value == nil && !optional {
			continue
		}
		text, err := g.literal(t, m.value)
		if err != nil {
			return "", err
		}
		texts = append(texts, key+": "+text)
	}
	return list(open, texts), nil
}

// field is the one of a member: by its tag, or by its name where it is of a query.
func (g *golang) field(structure *ast.StructType, member string) (string, ast.Expr) {
	for _, field := range structure.Fields.List {
		switch {
		case len(field.Names) == 0:
			if embedded, found := g.types[types.ExprString(field.Type)].(*ast.StructType); found {
				if name, t := g.field(embedded, member); t != nil {
					return name, t
				}
			}
		case field.Tag == nil:
			if strings.EqualFold(field.Names[0].Name, member) {
				return field.Names[0].Name, field.Type
			}
		default:
			tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
			if name, _, _ := strings.Cut(tag, ","); name == member {
				return field.Names[0].Name, field.Type
			}
		}
	}
	return "", nil
}

func list(open string, items []string) string {
	text := fold(open+"{", items, "}", "\t")
	if strings.HasSuffix(text, "\n}") {
		return strings.TrimSuffix(text, "\n}") + ",\n}"
	}
	return text
}

// qualified is a type as other packages name it.
func qualified(t ast.Expr) string {
	return regexp.MustCompile(`\b[A-Z]\w*`).ReplaceAllString(types.ExprString(t), "nexterm.$0")
}
