package manifest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
)

type object = map[string]any

func decode(t *testing.T, text []byte) (decoded object) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &decoded))
	return decoded
}

// The limits of the schema are those of the contract: what it lets pass, the server does.
func TestTheSchemaHasTheLimitsOfTheContract(t *testing.T) {
	schemas := decode(t, gen.Contract)["components"].(object)["schemas"].(object)
	definitions := decode(t, Schema)["$defs"].(object)
	for name, contract := range map[string]string{
		"tag": "NewTag", "identity": "NewIdentity", "entry": "NewEntry", "config": "EntryConfig", "script": "NewScript",
		"snippet": "NewSnippet", "organization": "NewOrganization", "group": "NewGroup", "member": "NewInvitation",
	} {
		properties := schemas[contract].(object)["properties"].(object)
		for key, value := range definitions[name].(object)["properties"].(object) {
			ours, is := value.(object)
			theirs, known := properties[key].(object)
			if !is || !known || ours["$ref"] != nil {
				continue // what the file has its own way of
			}
			assert.Equal(t, limits(schemas, theirs), limits(nil, ours), "%s.%s", name, key)
		}
	}
	organization := definitions["organization"].(object)["properties"].(object)
	for key, contract := range map[string]string{"auditSettings": "AuditSettingsPatch", "sessionSettings": "OrganizationSessionSettings"} {
		ours := organization[key].(object)["properties"].(object)
		theirs := schemas[contract].(object)["properties"].(object)
		assert.Equal(t, keys(theirs), keys(ours))
		for name := range ours {
			assert.Equal(t, limits(schemas, theirs[name].(object)), limits(nil, ours[name].(object)), name)
		}
	}
	config := keys(definitions["config"].(object)["properties"].(object))
	for _, key := range secretKeys {
		config = slices.DeleteFunc(config, func(name string) bool { return name == key })
	}
	assert.Equal(t, keys(schemas["EntryConfig"].(object)["properties"].(object)), config)
	folder := schemas["NewFolder"].(object)["properties"].(object)["name"].(object)
	assert.EqualValues(t, folder["minLength"], minFolderName)
	assert.EqualValues(t, folder["maxLength"], maxFolderName)
}

func keys(o object) []string { return slices.Sorted(maps.Keys(o)) }

// limits are the keywords that refuse something. The file has names where the contract
// has ids, and its own way to jump hosts and identities.
func limits(schemas, schema object) object {
	if reference, is := schema["$ref"].(string); is {
		schema = schemas[reference[strings.LastIndex(reference, "/")+1:]].(object)
	}
	kept := object{}
	for _, keyword := range []string{"type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf", "maxItems", "uniqueItems"} {
		if value, has := schema[keyword]; has {
			kept[keyword] = value
		}
	}
	if either, is := schema["anyOf"].([]any); is {
		kept["type"] = []any{either[0].(object)["type"], either[1].(object)["type"]}
		kept["maxLength"] = either[0].(object)["maxLength"]
	}
	return kept
}

// What the schema knows, the file's types have, and nothing else.
func TestTheTypesHaveTheKeysOfTheSchema(t *testing.T) {
	schema := decode(t, Schema)
	definitions := schema["$defs"].(object)
	for name, value := range map[string]any{
		"secret": Secret{}, "tag": Tag{}, "identity": Identity{}, "entry": Entry{}, "member": Member{}, "group": Group{}, "organization": Organization{},
	} {
		assert.ElementsMatch(t, keys(definitions[name].(object)["properties"].(object)), yamlKeys(reflect.TypeOf(value)), name)
	}
	texts := slices.Concat(keys(definitions["script"].(object)["properties"].(object)), keys(definitions["snippet"].(object)["properties"].(object)))
	slices.Sort(texts)
	assert.ElementsMatch(t, slices.Compact(texts), yamlKeys(reflect.TypeFor[Text]()))
	top := schema["properties"].(object)
	assert.ElementsMatch(t, keys(top), yamlKeys(reflect.TypeFor[File]()))
	assert.ElementsMatch(t, keys(top["personal"].(object)["properties"].(object)), yamlKeys(reflect.TypeFor[Personal]()))
}

func yamlKeys(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		name, option, has := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			names = append(names, yamlKeys(of.Field(i).Type)...)
		case has || name != "":
			names = append(names, name)
		}
	}
	return names
}
