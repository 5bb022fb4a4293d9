package feed

import (
	"slices"

	"github.com/nexterm-go/nexterm/internal/event"
)

// topics are the lists of the feed, in the order in which they are sent.
var topics = [...]event.List{event.Entries, event.Identities, event.Snippets, event.Connections, event.LiveSessions}

// topicSet holds topics, one bit for each place.
type topicSet uint8

const everything topicSet = 1<<len(topics) - 1

// setOf collects topics; those of another version are skipped.
func setOf(names []event.List) topicSet {
	var set topicSet
	for _, name := range names {
		if i := slices.Index(topics[:], name); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (t topicSet) has(place int) bool { return t&(1<<place) != 0 }
