package file

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame is the beginning of a JPEG: a segment that does not matter, and the frame header.
func frame(marker byte, side uint16, components byte) []byte {
	picture := []byte{0xff, 0xd8, 0xff, 0xfe, 0, 4, 0xff, 0xc2, 0, 0xff, 0xff, marker, 0, 8 + 3*components, 8}
	picture = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(picture, side), side)
	picture = append(picture, components)
	for n := range components {
		picture = append(picture, n+1, 0x11, 0)
	}
	return append(picture, 0xff, 0xda, 0, 2)
}

// header is the beginning of a PNG.
func header(side uint32, depth, kind byte) []byte {
	chunk := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), side), side)
	chunk = append(chunk, depth, kind, 0, 0, 0)
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(chunk)))
}

// Kinds of pictures differ in what decoding them takes.
func TestPicturesAreWeighed(t *testing.T) {
	t.Parallel()
	const baseline, progressive, colour, gray = 0xc0, 0xc2, 6, 0
	for name, test := range map[string]struct {
		picture []byte
		weight  int64 // 0 is too much
	}{
		"small":                {frame(baseline, 100, 3), leastDecoded},
		"large":                {frame(baseline, 7000, 3), 4 * 49_000_000},
		"too large":            {frame(baseline, 7100, 3), 0},
		"progressive":          {frame(progressive, 3100, 3), 20 * 3100 * 3100},
		"too large for that":   {frame(progressive, 3200, 3), 0},
		"CMYK":                 {frame(baseline, 4500, 4), 8 * 4500 * 4500},
		"too large for CMYK":   {frame(baseline, 5100, 4), 0},
		"PNG":                  {header(7000, 8, colour), 4 * 49_000_000},
		"16 bits":              {header(5000, 16, colour), 8 * 25_000_000},
		"too large for 16":     {header(5100, 16, colour), 0},
		"gray":                 {header(7000, 8, gray), 4 * 49_000_000},
		"nothing":              {nil, 0},
		"no frame header":      {[]byte{0xff, 0xd8, 0xff, 0xda, 0, 2}, 0},
		"cut off in a segment": {frame(progressive, 3200, 3)[:8], 0},
	} {
		weight, err := weigh(test.picture)
		require.Equal(t, test.weight, weight, name)
		require.Equal(t, test.weight == 0, err != nil, name)
	}
}
