package event

import (
	"encoding/json"
	"slices"
)

const (
	// maxPayload is below the 8,000 bytes that PostgreSQL takes in one
	// notification (https://www.postgresql.org/docs/current/sql-notify.html).
	maxPayload = 7_900
	// maxIDs keeps the largest change, of 19 digits and a comma for each id,
	// below maxPayload.
	maxIDs = 300
)

// payloads packs changes into as few notifications as hold them, in their
// order. What a burst says twice is said once.
func payloads(changes []Change) ([]string, error) {
	var packed []string
	payload := []byte{'['}
	said := map[string]struct{}{}
	for _, change := range changes {
		for _, part := range change.split() {
			encoded, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			if _, again := said[string(encoded)]; again {
				continue
			}
			said[string(encoded)] = struct{}{}
			if len(payload)+len(encoded)+1 > maxPayload {
				packed = append(packed, string(closed(payload)))
				payload = []byte{'['}
			}
			payload = append(append(payload, encoded...), ',')
		}
	}
	return append(packed, string(closed(payload))), nil
}

// closed turns the last comma into the end of the array.
func closed(payload []byte) []byte {
	payload[len(payload)-1] = ']'
	return payload
}

// split cuts a change that concerns very many into parts that each fit.
func (c Change) split() []Change {
	if len(c.Accounts)+len(c.Organizations)+len(c.EndedSessions) <= maxIDs {
		return []Change{c}
	}
	var parts []Change
	if c.Missed {
		parts = append(parts, Change{Missed: true})
	}
	for ids := range slices.Chunk(c.Accounts, maxIDs) {
		parts = append(parts, Change{Topics: c.Topics, Accounts: ids})
	}
	for ids := range slices.Chunk(c.Organizations, maxIDs) {
		parts = append(parts, Change{Topics: c.Topics, Organizations: ids})
	}
	for ids := range slices.Chunk(c.EndedSessions, maxIDs) {
		parts = append(parts, Change{EndedSessions: ids})
	}
	return parts
}
