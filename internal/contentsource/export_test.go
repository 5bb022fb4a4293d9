package contentsource

import "context"

// What reads foreign bytes, for tests that feed it some.
var (
	ParseIndex    = parseIndex
	ParseLocation = parseLocation
	ValidPath     = validPath
)

// ReadPack answers the contents of a pack, by the objects' hashes.
func ReadPack(ctx context.Context, pack []byte) (map[string]string, error) {
	objects, err := readPack(ctx, pack)
	found := map[string]string{}
	for hash, o := range objects {
		found[hash.String()] = string(o.content)
	}
	return found, err
}

// ParseItem answers what a file says, flattened.
func ParseItem(name string, content []byte) (title, description, text string, systems []string, err error) {
	i, err := parseItem(file{path: name, kind: kindOf(name)}, content)
	return i.name, i.description, i.text, i.systems, err
}
