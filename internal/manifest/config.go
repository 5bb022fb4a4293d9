package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// id is 0 for what is not there, or not there yet.
func id(h *handle) int64 {
	if h == nil {
		return 0
	}
	return h.id
}

// ids is never nil: an empty list is one that is sent.
func ids(handles []*handle) []int64 {
	all := make([]int64, 0, len(handles))
	for _, h := range handles {
		if !slices.Contains(all, id(h)) || id(h) == 0 {
			all = append(all, id(h))
		}
	}
	return all
}

// text is a list as text, for the plan.
func text(list []string) string { return strings.Join(list, ", ") }

func stringsOf(references []reference) []string {
	all := make([]string, len(references))
	for i, r := range references {
		all[i] = r.String()
	}
	return all
}

// spelled are things by their names, as far as they are there.
func spelled(names map[int64]reference, ids []int64) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = fmt.Sprintf("(%d, which is gone)", id)
		if r, known := names[id]; known {
			all[i] = r.String()
		}
	}
	return all
}

// summary is a new entry on one line.
func (e *plannedEntry) summary() (fields []field) {
	if protocol, is := e.it.Config["protocol"].(string); is {
		address, _ := e.it.Config["ip"].(string)
		if port, given := e.it.Config["port"]; given {
			address += fmt.Sprintf(":%v", port)
		}
		fields = append(fields, field{"to", "", strings.TrimSpace(protocol + " " + address)})
	}
	for _, list := range []struct {
		name  string
		items []string
	}{{"through", stringsOf(e.it.hops())}, {"as", stringsOf(e.it.Identities)}, {"tags", e.it.Tags}} {
		if len(list.items) > 0 {
			fields = append(fields, field{list.name, "", text(list.items)})
		}
	}
	return fields
}

// tagged is what comes to an entry, with how it is shown.
type tagged struct {
	tags   []*handle
	fields []field
}

func (e *plannedEntry) tagging(p *planner) (add tagged, remove []int64) {
	if e.it.Tags == nil {
		return add, nil
	}
	var before []string
	for _, t := range e.before.Tags {
		before = append(before, t.Name)
		goes := slices.ContainsFunc(p.tags[t.Name], func(h *handle) bool { return h.doomed })
		if !goes && !slices.Contains(e.it.Tags, t.Name) {
			remove = append(remove, t.ID)
		}
	}
	for i, name := range e.it.Tags {
		if !slices.Contains(before, name) {
			add.tags = append(add.tags, e.tags[i])
		}
	}
	if len(add.tags) > 0 || len(remove) > 0 {
		add.fields = []field{{"tags", text(before), text(e.it.Tags)}}
	}
	return add, remove
}

// config is the configuration with the ids of jump hosts.
func (e *plannedEntry) config() nexterm.EntryConfig {
	var config nexterm.EntryConfig
	encoded, err := json.Marshal(e.settings())
	if err == nil {
		err = json.Unmarshal(encoded, &config)
	}
	if err != nil {
		panic(err) // the schema has been checked
	}
	if len(e.hops) > 0 {
		config.JumpHosts = ids(e.hops)
	}
	return config
}

// settings is the configuration without jump hosts.
func (e *plannedEntry) settings() values {
	config := maps.Clone(e.it.Config)
	delete(config, "jumpHosts")
	return settings(config)
}

// configFields is what differs of the configuration, jump hosts by their names.
func (e *plannedEntry) configFields(paths map[int64]reference) (fields []field) {
	before, after := settings(e.before.Config), e.settings()
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		old, had := before[key]
		young, has := after[key]
		if had != has || !same(old, young) {
			fields = append(fields, field{"config." + key, shownValue(old, had), shownValue(young, has)})
		}
	}
	if !slices.Equal(e.before.Config.JumpHosts, ids(e.hops)) || slices.Contains(ids(e.hops), 0) {
		old := spelled(paths, e.before.Config.JumpHosts)
		fields = append(fields, field{"config.jumpHosts", text(old), text(stringsOf(e.it.hops()))})
	}
	return fields
}

func shownValue(value any, has bool) string {
	if !has {
		return ""
	}
	if s, is := value.(string); is {
		return s
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(encoded)
}
