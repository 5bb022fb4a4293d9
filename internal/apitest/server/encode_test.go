package server_test

import (
	"bytes"
	stdjson "encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/goccy/go-json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// answerTypes are the Go types of every named schema that an answer is or
// contains at its top.
var answerTypes = map[string]reflect.Type{
	"AccountsFound":               reflect.TypeFor[api.AccountsFound](),
	"ApiKey":                      reflect.TypeFor[api.APIKey](),
	"ApiKeyCreated":               reflect.TypeFor[api.APIKeyCreated](),
	"AuditLogPage":                reflect.TypeFor[api.AuditLogPage](),
	"AuditMetadata":               reflect.TypeFor[api.AuditMetadata](),
	"AuditSettings":               reflect.TypeFor[api.AuditSettings](),
	"AuthProvider":                reflect.TypeFor[api.AuthProvider](),
	"AuthProviderLists":           reflect.TypeFor[api.AuthProviderLists](),
	"AuthProviderSettings":        reflect.TypeFor[api.AuthProviderSettings](),
	"AvatarStored":                reflect.TypeFor[api.AvatarStored](),
	"CodeRequired":                reflect.TypeFor[api.CodeRequired](),
	"Confirmation":                reflect.TypeFor[api.Confirmation](),
	"DeviceAuthorized":            reflect.TypeFor[api.DeviceAuthorized](),
	"DeviceCode":                  reflect.TypeFor[api.DeviceCode](),
	"DeviceCodeCreated":           reflect.TypeFor[api.DeviceCodeCreated](),
	"DeviceLinkStatus":            reflect.TypeFor[api.DeviceLinkStatus](),
	"DevicePoll":                  reflect.TypeFor[api.DevicePoll](),
	"Entry":                       reflect.TypeFor[api.Entry](),
	"EntryCreated":                reflect.TypeFor[api.EntryCreated](),
	"EntryDuplicated":             reflect.TypeFor[api.EntryDuplicated](),
	"EntryNode":                   reflect.TypeFor[api.ServerNode](),
	"Done":                        reflect.TypeFor[api.Done](),
	"Folder":                      reflect.TypeFor[api.Folder](),
	"FolderCreated":               reflect.TypeFor[api.FolderCreated](),
	"HostKey":                     reflect.TypeFor[api.HostKey](),
	"Identity":                    reflect.TypeFor[api.Identity](),
	"IdentityCreated":             reflect.TypeFor[api.IdentityCreated](),
	"IdentityMoved":               reflect.TypeFor[api.IdentityMoved](),
	"Keymap":                      reflect.TypeFor[api.Keymap](),
	"Impersonation":               reflect.TypeFor[api.Impersonation](),
	"Invitation":                  reflect.TypeFor[api.Invitation](),
	"Limits":                      reflect.TypeFor[api.Limits](),
	"Login":                       reflect.TypeFor[api.Login](),
	"Me":                          reflect.TypeFor[api.Me](),
	"Member":                      reflect.TypeFor[api.Member](),
	"MemberPermissions":           reflect.TypeFor[api.MemberPermissions](),
	"Message":                     reflect.TypeFor[api.Message](),
	"IntegrationMonitoring":       reflect.TypeFor[api.IntegrationMonitoring](),
	"MonitoredTarget":             reflect.TypeFor[api.MonitoredTarget](),
	"MonitoringSettings":          reflect.TypeFor[api.MonitoringSettings](),
	"ServerMonitoring":            reflect.TypeFor[api.ServerMonitoring](),
	"OidcLogin":                   reflect.TypeFor[api.OidcLogin](),
	"OidcProviderCreated":         reflect.TypeFor[api.OidcProviderCreated](),
	"Organization":                reflect.TypeFor[api.Organization](),
	"OrganizationSessionSettings": reflect.TypeFor[api.OrganizationSessionSettings](),
	"Passkey":                     reflect.TypeFor[api.Passkey](),
	"PasskeyLoginOptions":         reflect.TypeFor[api.PasskeyLoginOptions](),
	"PasskeyRegistered":           reflect.TypeFor[api.PasskeyRegistered](),
	"PasskeyRegistrationOptions":  reflect.TypeFor[api.PasskeyRegistrationOptions](),
	"PasskeySession":              reflect.TypeFor[api.PasskeySession](),
	"PreferencesUpdated":          reflect.TypeFor[api.PreferencesUpdated](),
	"RecentEntry":                 reflect.TypeFor[api.RecentEntry](),
	"SSHConfigImported":           reflect.TypeFor[api.SSHConfigImported](),
	"PermissionCatalogs":          reflect.TypeFor[api.PermissionCatalogs](),
	"Group":                       reflect.TypeFor[api.Group](),
	"GroupDetails":                reflect.TypeFor[api.GroupDetails](),
	"GroupSummary":                reflect.TypeFor[api.GroupSummary](),
	"Session":                     reflect.TypeFor[api.Session](),
	"Tag":                         reflect.TypeFor[api.Tag](),
	"TagCreated":                  reflect.TypeFor[api.TagCreated](),
	"Script":                      reflect.TypeFor[api.Script](),
	"ScriptCreated":               reflect.TypeFor[api.ScriptCreated](),
	"UploadedFile":                reflect.TypeFor[api.UploadedFile](),
	"Snippet":                     reflect.TypeFor[api.Snippet](),
	"SnippetCreated":              reflect.TypeFor[api.SnippetCreated](),
	"Source":                      reflect.TypeFor[api.Source](),
	"CommandResult":               reflect.TypeFor[api.CommandResult](),
	"ConnectionShare":             reflect.TypeFor[api.ConnectionShare](),
	"ConnectionWindow":            reflect.TypeFor[api.ConnectionWindow](),
	"LiveConnection":              reflect.TypeFor[api.LiveConnection](),
	"NewConnectionResult":         reflect.TypeFor[api.NewConnectionResult](),
	"SharedConnection":            reflect.TypeFor[api.SharedConnection](),
	"SharedRight":                 reflect.TypeFor[api.SharedRight](),
	"SourceCheck":                 reflect.TypeFor[api.SourceCheck](),
	"SourceCreated":               reflect.TypeFor[api.SourceCreated](),
	"SourceUpdated":               reflect.TypeFor[api.SourceUpdated](),
	"TotpSecret":                  reflect.TypeFor[api.TotpSecret](),
	"UserCreated":                 reflect.TypeFor[api.UserCreated](),
	"UserPage":                    reflect.TypeFor[api.UserPage](),
	"UserPermissions":             reflect.TypeFor[api.UserPermissions](),
	"Version":                     reflect.TypeFor[api.Version](),
}

// answerSchemas are the named schemas at the top of an answer, or of the items
// of one. Failures have one body, and a test of their own.
func answerSchemas() map[string]*openapi3.Schema {
	named := map[string]*openapi3.Schema{}
	for _, o := range contractOperations() {
		for status, response := range o.Responses.Map() {
			if status >= "400" {
				continue
			}
			for _, content := range response.Value.Content {
				ref := content.Schema
				for ref.Ref == "" && ref.Value.Items != nil {
					ref = ref.Value.Items
				}
				if name := strings.TrimPrefix(ref.Ref, "#/components/schemas/"); name != "" {
					named[name] = ref.Value
				}
			}
		}
	}
	return named
}

// Answers are encoded by a quick library that has to write what encoding/json
// writes, byte for byte.
func TestAnswersAreEncodedLikeTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for name, schema := range answerSchemas() {
		kind, known := answerTypes[name]
		if !assert.True(t, known, "add api.%s to the table answerTypes", name) {
			continue
		}
		example, err := stdjson.Marshal(schema.Example)
		require.NoError(t, err)
		shown := reflect.New(kind)
		require.NoError(t, stdjson.Unmarshal(example, shown.Interface()), name)
		sameBytes(t, name, shown.Interface())
		sameBytes(t, name, reflect.MakeSlice(reflect.SliceOf(kind), 0, 0).Interface())
		list := reflect.MakeSlice(reflect.SliceOf(kind), 0, 0)
		for variant := range 40 {
			value := reflect.New(kind).Elem()
			fill(value, variant, 0)
			sameBytes(t, name, value.Interface())
			sameBytes(t, name, value.Addr().Interface())
			list = reflect.Append(list, value)
		}
		sameBytes(t, name, list.Interface())
	}
	sameBytes(t, "boolean", true)
}

func sameBytes(t *testing.T, name string, value any) {
	t.Helper()
	var quick, standard bytes.Buffer
	quickErr := json.NewEncoder(&quick).Encode(value)
	require.NoError(t, stdjson.NewEncoder(&standard).Encode(value), name)
	require.NoError(t, quickErr, name)
	require.Equal(t, standard.String(), quick.String(), name)
}

var edgeTexts = []string{
	"", "plain", `<a href="x">&'</a>`, "\u2028\u2029", "\x00\x01\x1f\x7f", "\b\f\n\r\t\"\\/", "\xff\xc0\x80 invalid", "é𝄞\U0010ffff",
	"\xed\xa0\x80", strings.Repeat("long<&>\u2028 ", 500), `\u003c`, "null",
}

var edgeRaw = []string{
	`{}`, `{"a": 1, "b": [1, 2.50, "x"]}`, `{"html": "<&>", "separator": "` + "\u2028" + `"}`, "null", `{"nested": {"deep": [[], {}]}}`,
}

var (
	edgeInts   = []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 53}
	edgeFloats = []float64{0, 1.5, -0.1, 1e20, 1e21, 1e-6, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1)}
)

// fill sets every member, unlike from variant to variant and from place to place.
func fill(v reflect.Value, variant, depth int) {
	pick := variant + depth
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(int64(variant) * 1_000_000_007).UTC()))
		return
	case v.Type().ConvertibleTo(reflect.TypeFor[stdjson.RawMessage]()) && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(edgeRaw[pick%len(edgeRaw)]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(edgeTexts[pick%len(edgeTexts)])
	case reflect.Bool:
		v.SetBool(pick%2 == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(edgeInts[pick%len(edgeInts)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat(edgeFloats[pick%len(edgeFloats)])
	case reflect.Pointer:
		if pick%3 > 0 && depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), variant, depth+1)
		}
	case reflect.Slice:
		switch count := pick % 4; {
		case count == 3 || depth > 6: // stays nil
		default:
			v.Set(reflect.MakeSlice(v.Type(), count, count))
			for i := range count {
				fill(v.Index(i), variant+i, depth+1)
			}
		}
	case reflect.Map:
		if pick%3 == 0 || depth > 6 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for i := range pick % 3 {
			key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, variant+i, depth+1)
			fill(element, variant+i, depth+1)
			v.SetMapIndex(key, element)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), variant+i, depth+1)
			}
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(edgeTexts[pick%len(edgeTexts)]))
	}
}

func TestTableOfAnswerTypesIsFresh(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(answerTypes)) {
		require.Contains(t, testserver.Contract().Components.Schemas, name)
		if name == "EntryNode" {
			continue // one of four, and the table has the largest
		}
		require.True(t, strings.EqualFold(name, answerTypes[name].Name()), name) // Id becomes ID
	}
}
