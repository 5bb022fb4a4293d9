package manifest

import "strings"

// Paths are names from the root on, with slashes in between. A slash or a backslash
// in a name has a backslash before it.
var escaped = strings.NewReplacer(`\`, `\\`, `/`, `\/`)

func join(folder, name string) string {
	if folder == "" {
		return escaped.Replace(name)
	}
	return folder + "/" + escaped.Replace(name)
}

// split is the folder and the name, without escapes, at the end of a path.
func split(path string) (folder, name string) {
	var last strings.Builder
	start := 0
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			last.WriteByte(path[i])
		case path[i] == '/':
			start = i + 1
			last.Reset()
		default:
			last.WriteByte(path[i])
		}
	}
	return strings.TrimSuffix(path[:start], "/"), last.String()
}

// ancestors are the folders of a path from the outermost to itself.
func ancestors(path string) []string {
	var all []string
	for path != "" {
		all = append([]string{path}, all...)
		path, _ = split(path)
	}
	return all
}
