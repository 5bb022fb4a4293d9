package server_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Stranger cannot tell Owner's things from ids that nobody has.
func TestStrangersIDsAreUnknown(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, o := range contractOperations() {
		if len(o.parameters()) == 0 || o.inQuery() {
			continue
		}
		owners := o.owners(t, s)
		before := contents(t, s)
		answer := o.send(s.Stranger, o.fill(owners...), o.example(t))
		assert.Equal(t, o.refused(t), answer.Status, "%s answered %s", o, answer.Body)

		for i := range owners {
			mixed := slices.Clone(owners)
			mixed[i] = strconv.Itoa(unknownID)
			unknown := o.send(s.Stranger, o.fill(mixed...), o.example(t))
			assert.Equal(t, answer.Status, unknown.Status, at(o, "unknown "+o.parameters()[i].Name))
			assert.Equal(t, string(answer.Body), string(unknown.Body), at(o, "unknown "+o.parameters()[i].Name))
		}
		unknown := o.send(s.Stranger, o.unknownPath(), o.example(t))
		assert.Equal(t, answer.Status, unknown.Status, o)
		assert.Equal(t, string(answer.Body), string(unknown.Body), o)
		require.Equal(t, before, contents(t, s), o)
	}
}

// Administrators see every organization, so an id that nobody has is just that.
func TestUnknownIDsOfAdministrators(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, o := range contractOperations() {
		if len(o.parameters()) > 0 && !o.inQuery() {
			answer := o.send(s.Admin, o.unknownPath(), o.example(t))
			assert.Equal(t, http.StatusNotFound, answer.Status, "%s answered %s", o, answer.Body)
		}
	}
}

func TestPathIDs(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	bad := []string{
		"0", "-1", "+1", "01", "1.5", "1.0", "1e3", "0x1", "1_0", "abc", "1a", "null", "undefined",
		"9223372036854775808", "99999999999999999999", strings.Repeat("9", 5000),
		"%00", "1%00", "1%2F2", "1%20", "%201", "1%0A", "%2B1", "%FF", "%C0%B1", "%D9%A1", "%EF%BC%91", "1;2", "1,2", "..%2F1",
	}
	for _, o := range contractOperations() {
		if o.inQuery() {
			continue
		}
		for i, p := range o.parameters() {
			valid := o.owners(t, s)
			before := contents(t, s)
			for _, id := range bad {
				ids := slices.Clone(valid)
				ids[i] = id
				answer := o.send(o.caller(s), o.fill(ids...), o.example(t))
				if answer.Status == http.StatusNotFound && strings.Contains(answer.Message(), "nothing at this path") {
					continue // the router does not take it for an id at all
				}
				assert.Equal(t, http.StatusBadRequest, answer.Status, at(o, id))
				assert.Equal(t, p.Extensions["x-message"], answer.Message(), at(o, id))
			}
			require.Equal(t, before, contents(t, s), at(o, p.Name))

			ids := slices.Clone(valid)
			ids[i] = "9223372036854775807"
			largest := o.send(o.caller(s), o.fill(ids...), o.example(t))
			assert.Contains(t, []int{403, 404}, largest.Status, "%s answered %s to the largest id", o, largest.Body)
		}
	}
}
