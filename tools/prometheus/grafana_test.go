package prometheus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what counts of Grafana's model.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type string
	Datasource source
	Query      json.RawMessage
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  source
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ RefID, Expr string }
}

type source struct{ Type, UID string }

// chosen is the data source that whoever looks at a dashboard chooses.
var chosen = source{"prometheus", "${datasource}"}

// filled gives the variables of Grafana itself a value, as it does before it asks.
var filled = strings.NewReplacer("$__rate_interval", "1m")

func TestDashboards(t *testing.T) {
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	uids := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var d dashboard
			if err := json.Unmarshal(text, &d); err != nil {
				t.Fatal(err)
			}
			if d.UID == "" || uids[d.UID] || d.Title == "" || d.SchemaVersion < 36 {
				t.Errorf("uid %q, title %q, schema %d", d.UID, d.Title, d.SchemaVersion)
			}
			uids[d.UID] = true
			known := d.variables(t)
			for _, name := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
				if !known[name[1]] && !strings.HasPrefix(name[1], "__") {
					t.Errorf("there is no variable %s", name[1])
				}
			}
			d.panels(t)
		})
	}
}

func (d dashboard) variables(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, v := range d.Templating.List {
		names[v.Name] = true
		switch v.Type {
		case "datasource":
			if string(v.Query) != `"prometheus"` {
				t.Errorf("%s: %s", v.Name, v.Query)
			}
		case "query":
			var asked struct{ Query string }
			if err := json.Unmarshal(v.Query, &asked); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			call := regexp.MustCompile(`^label_values\((.+), \w+\)$`).FindStringSubmatch(asked.Query)
			if call == nil || v.Datasource != chosen {
				t.Errorf("%s asks %+v for %q", v.Name, v.Datasource, asked.Query)
				continue
			}
			query(t, call[1])
		default:
			t.Errorf("%s: type %q", v.Name, v.Type)
		}
	}
	return names
}

func (d dashboard) panels(t *testing.T) {
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q is there twice, or has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; x >= 24 || other != "" {
					t.Fatalf("%s lies on %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.FieldConfig.Defaults.Unit == "" || p.Datasource != chosen || len(p.Targets) == 0 {
			t.Errorf("%s: unit %q, %d queries of %+v", p.Title, p.FieldConfig.Defaults.Unit, len(p.Targets), p.Datasource)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.RefID == "" || refs[target.RefID] {
				t.Errorf("%s: query %q is there twice", p.Title, target.RefID)
			}
			refs[target.RefID] = true
			query(t, filled.Replace(target.Expr))
		}
	}
}
