package importing

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func (r *originalReader) readEntries() error {
	links := map[int64][]int64{}
	err := r.each("entries_identities", []string{"id", "entryId", "identityId", "isDefault"}, func(row record) error {
		entry, identity := row.numbers["entryId"], row.numbers["identityId"]
		if links[entry] = append(links[entry], identity); row.numbers["isDefault"] != 0 {
			links[entry] = append([]int64{identity}, links[entry][:len(links[entry])-1]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	columns := []string{"id", "name", "icon", "type", "accountId", "organizationId", "folderId", "integrationId", "config"}
	err = r.each("entries", columns, func(row record) error {
		var config map[string]any
		err := json.Unmarshal([]byte(cmp.Or(row.texts["config"], "{}")), &config)
		r.entry(row, row.texts["type"], config, links[row.numbers["id"]], err)
		return nil
	})
	r.connect()
	return err
}

// readServers reads what versions before the entries have.
func (r *originalReader) readServers() error {
	columns := []string{"id", "name", "icon", "accountId", "organizationId", "folderId", "protocol", "ip", "port", "config", "identities", "monitoringEnabled"}
	err := r.each("servers", columns, func(row record) error {
		config := map[string]any{"protocol": row.texts["protocol"], "ip": row.texts["ip"], "port": row.texts["port"], "monitoringEnabled": row.numbers["monitoringEnabled"] != 0}
		var further map[string]any
		var identities []any
		err := cmp.Or(json.Unmarshal([]byte(cmp.Or(row.texts["config"], "{}")), &further), json.Unmarshal([]byte(cmp.Or(row.texts["identities"], "[]")), &identities))
		maps.Copy(config, further)
		r.entry(row, "server", config, integers(identities), err)
		return nil
	})
	r.connect()
	return err
}

// connect finds the jump hosts of the entries.
func (r *originalReader) connect() {
	for row, hops := range r.via {
		for _, id := range hops {
			if hop := r.entries[id]; hop != nil && len(row.Via) < maxHops {
				row.Via = append(row.Via, hop)
			} else {
				row.Skip = "a jump host of it is not there"
			}
		}
	}
	clear(r.entries)
	clear(r.via)
}

// entry makes the row of an entry, or of what older versions have for one.
func (r *originalReader) entry(from record, kind string, config map[string]any, identities []int64, unreadable error) {
	row := &Row{File: r.name, Name: from.texts["name"], Icon: from.texts["icon"]}
	owner, path, _ := r.place(from.numbers["folderId"])
	if own := ownerOf(from); own != (Owner{}) && own != owner {
		owner, path = own, nil
	}
	row.Folder = path
	r.Things[owner], r.entries[from.numbers["id"]] = append(r.Things[owner], row), row
	switch {
	case owner == Owner{}:
		row.Skip = "it belongs to nobody"
	case kind != "server" || from.numbers["integrationId"] != 0:
		row.Skip = "an integration makes it"
	}
	if hops := integers(config["jumpHosts"]); len(hops) > 0 {
		r.via[row] = hops
	}
	if err := cmp.Or(unreadable, readConfig(&row.Config, config)); err != nil {
		row.Skip = cmp.Or(row.Skip, "its configuration cannot be read")
	}
	for _, id := range identities {
		switch identity := r.identities[id]; {
		case identity == nil:
		case identity.owner != owner:
			// It would become another owner's, and so be known to others.
			row.note(fmt.Sprintf("its identity %.50q belongs to somebody else: link it again", visible(identity.row.Name)))
		default:
			row.Logins = append(row.Logins, identity.row.Logins...)
		}
	}
}

// readConfig takes a configuration over, but for what stands for something of the old
// server or is a secret.
func readConfig(into *nexterm.EntryConfig, config map[string]any) error {
	for _, name := range []string{"jumpHosts", "engineId", "password", "passphrase", "sshKey", "privateKey"} {
		delete(config, name)
	}
	maps.DeleteFunc(config, func(_ string, value any) bool { return value == nil })
	for _, name := range []string{"port", "colorDepth"} {
		if text, is := config[name].(string); is {
			number, err := strconv.Atoi(text)
			if config[name] = number; err != nil {
				delete(config, name)
			}
		}
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, into)
}

// integers are the ids in a list of JSON, in which they may be texts.
func integers(list any) (ids []int64) {
	values, _ := list.([]any)
	for _, value := range values {
		if id, err := strconv.ParseInt(strings.TrimSuffix(fmt.Sprint(value), ".0"), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
