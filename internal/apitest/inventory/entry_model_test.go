package inventory_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Whatever is done to entries, each container keeps the order that a list in
// memory has after the same steps.
func TestEntryOrderIsTheModels(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	containers := []body{
		{"folderId": nil}, {"folderId": newFolder(s.Owner, "Mine", nil)}, {"folderId": shared},
		{"folderId": nil, "organizationId": s.Organization},
	}
	model := make([][]int64, len(containers))
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 150 {
		from, to := random.IntN(len(model)), random.IntN(len(model))
		if len(model[from]) == 0 || step%4 == 0 {
			model[to] = append(model[to], newEntry(s.Owner, fmt.Sprint(step), containers[to]))
			continue
		}
		place := random.IntN(len(model[from]))
		id := model[from][place]
		move := func(to, at int) {
			model[from] = slices.Delete(model[from], place, place+1)
			model[to] = slices.Insert(model[to], at, id)
		}
		switch random.IntN(6) {
		case 0:
			made := s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200).ID()
			model[from] = slices.Insert(model[from], place+1, made)
		case 1:
			s.Owner.Delete(entryPath(id)).Want(200)
			model[from] = slices.Delete(model[from], place, place+1)
		case 2:
			if from != to {
				s.Owner.Patch(entryPath(id), moved(containers[to])).Want(200)
				move(to, len(model[to]))
			}
		case 3:
			reposition(s.Owner, id, maps.Clone(containers[to])).Want(200)
			if from == to {
				move(to, len(model[to])-1)
			} else {
				move(to, len(model[to]))
			}
		default:
			others := slices.DeleteFunc(slices.Clone(model[to]), func(other int64) bool { return other == id })
			if len(others) == 0 {
				continue
			}
			at := random.IntN(len(others))
			placement := []string{"before", "after"}[random.IntN(2)]
			reposition(s.Owner, id, body{"targetId": others[at], "placement": placement}).Want(200)
			if placement == "after" {
				at++
			}
			move(to, at)
		}
	}
	for i, container := range containers {
		var entries []body
		s.Owner.Get("/api/entry/list").Want(200).Into(&entries)
		found := []int64{}
		for _, entry := range entries {
			folder, organization := container["folderId"], container["organizationId"]
			if folder == nil && (entry["folderId"] != nil || (entry["organizationId"] == nil) != (organization == nil)) ||
				folder != nil && entry["folderId"] != number(folder.(int64)) {
				continue
			}
			require.Equal(t, float64(len(found)), entry["position"])
			found = append(found, int64(entry["id"].(float64)))
		}
		require.Equal(t, append([]int64{}, model[i]...), found, "%v", container)
	}
}

// moved names a container as PATCH does.
func moved(container body) body {
	if container["folderId"] == nil {
		return body{"organizationId": container["organizationId"], "folderId": nil}
	}
	return body{"folderId": container["folderId"]}
}
