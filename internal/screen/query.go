package screen

import "regexp"

// queries are the sequences that terminals answer: device attributes (CSI c), status
// and position (CSI n), modes (CSI $p), parameters (CSI x), the window's (CSI t), the
// version (CSI > q), keyboard modes (CSI ? u), settings and capabilities (DCS $q and +q),
// colours (OSC 4, 5, 10 to 19 and 52 with a question mark) and the answerback (ENQ).
var queries = regexp.MustCompile(`\x05|\x1b(?:` +
	`\[[?>=]?[0-9;]*[cn]|\[\?[0-9;]*\$p|\[[0-9;]*\$p|\[[01]?x|\[(?:1[1-9]|2[01])(?:;[0-9]*)*t|\[>[0-9]*q|\[\?u|` +
	`P[$+]q[^\x1b\x07]*(?:\x1b\\|\x07)?|` +
	`\](?:4|5|1[0-9]|52)(?:;[^\x07\x1b;]*)*;\?(?:\x1b\\|\x07)?|` +
	`Z)`)

func WithoutQueries(text []byte) []byte { return queries.ReplaceAll(text, nil) }
