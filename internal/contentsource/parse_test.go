package contentsource_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/contentsource"
)

// The types of objects in a pack (gitformat-pack).
const (
	blob     = 3
	ofsDelta = 6
	refDelta = 7
)

// packed is one object of a pack: its declared length, what stands before its
// content, and its content.
type packed struct {
	kind    byte
	length  int
	base    []byte
	content string
}

func whole(content string) packed { return packed{blob, len(content), nil, content} }

func pack(count uint32, objects ...packed) []byte {
	out := bytes.NewBufferString("PACK\x00\x00\x00\x02")
	_ = binary.Write(out, binary.BigEndian, count)
	w := zlib.NewWriter(nil)
	for _, o := range objects {
		first, rest := o.kind<<4|byte(o.length&15), o.length>>4
		for ; rest > 0; rest >>= 7 {
			out.WriteByte(first | 0x80)
			first = byte(rest & 127)
		}
		out.WriteByte(first)
		out.Write(o.base)
		w.Reset(out)
		_, _ = w.Write([]byte(o.content))
		_ = w.Close()
	}
	checksum := sha1.Sum(out.Bytes())
	return append(out.Bytes(), checksum[:]...)
}

func hash(content string) []byte {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return sum[:]
}

// append is a delta that keeps a base of under 128 bytes and adds some text.
func appending(base, text string) string {
	target := binary.AppendUvarint([]byte{byte(len(base))}, uint64(len(base)+len(text)))
	return string(target) + "\x90" + string(rune(len(base))) + string(rune(len(text))) + text
}

func TestPacksAreUnfolded(t *testing.T) {
	t.Parallel()
	delta := appending("base", " and more")
	third := appending("base and more", "!")
	found, err := contentsource.ReadPack(t.Context(), pack(4,
		packed{refDelta, len(third), hash("base and more"), third},
		packed{refDelta, len(delta), hash("base"), delta},
		whole("base"),
		whole(strings.Repeat("x", 1<<20+1)),
	))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		hex.EncodeToString(hash("base")):           "base",
		hex.EncodeToString(hash("base and more")):  "base and more",
		hex.EncodeToString(hash("base and more!")): "base and more!",
	}, found, "in whatever order; what is too large is left out")
}

// A chain whose end comes first takes no longer than any other.
func TestReversedChainsAreUnfolded(t *testing.T) {
	t.Parallel()
	const length = 60_000
	chain := []packed{whole("0")}
	for i := range length {
		base, text := fmt.Sprint(i), fmt.Sprint(i+1)
		difference := string([]byte{byte(len(base)), byte(len(text)), byte(len(text))}) + text
		chain = append(chain, packed{refDelta, len(difference), hash(base), difference})
	}
	read := func(patience time.Duration) time.Duration {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		found, err := contentsource.ReadPack(ctx, pack(length+1, chain...))
		require.NoError(t, err)
		require.Len(t, found, length+1)
		return time.Since(began)
	}
	straight := read(time.Minute)
	slices.Reverse(chain)
	read(5*time.Second + 10*straight)
}

func TestPacksAreBounded(t *testing.T) {
	t.Parallel()
	base := strings.Repeat("x", 100)
	amplified := "\x64\x80\x80\x80\x80\x04" + strings.Repeat("\x90\x64", 50)
	found, err := contentsource.ReadPack(t.Context(), pack(2, whole(base), packed{refDelta, len(amplified), hash(base), amplified}))
	require.NoError(t, err)
	require.Len(t, found, 1, "a delta that unfolds to a gigabyte is left out")

	large := strings.Repeat("\x00", 1<<20)
	var many []packed
	for i := range 70 {
		many = append(many, whole(fmt.Sprint(i)+large[4:]))
	}
	for name, bad := range map[string][]byte{
		"kept":     pack(70, many...),
		"inflated": pack(1, packed{blob, 600 << 20, nil, "x"}),
		"count":    pack(1<<31, whole("x")),
	} {
		_, err := contentsource.ReadPack(t.Context(), bad)
		require.EqualError(t, err, "The repository is too large", name)
	}
	for name, bad := range map[string][]byte{
		"longer":    pack(1, packed{blob, 1, nil, "longer than it says"}),
		"shorter":   pack(1, packed{blob, 100, nil, "short"}),
		"truncated": pack(2, whole("x")),
		"no pack":   []byte("<html>"),
		"empty":     nil,
		"delta":     pack(2, whole("base"), packed{refDelta, 3, hash("base"), "\x04\x05\x00"}),
		"offset":    pack(1, packed{ofsDelta, 3, []byte{0x7f}, "\x04\x05\x00"}),
	} {
		_, err := contentsource.ReadPack(t.Context(), bad)
		require.EqualError(t, err, "The repository is empty or invalid", name)
	}
}

func FuzzReadPack(f *testing.F) {
	delta := appending("base", " and more")
	f.Add(pack(2, whole("base"), packed{refDelta, len(delta), hash("base"), delta}))
	f.Add(pack(1, packed{ofsDelta, 3, []byte{0x05}, "\x04\x05\x00"}))
	f.Fuzz(func(t *testing.T, content []byte) {
		found, err := contentsource.ReadPack(t.Context(), content)
		for _, object := range found {
			require.LessOrEqual(t, len(object), 1<<20)
		}
		_ = err
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("# remark\na@b.sh@0123\n../x.sh@1\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		files, err := contentsource.ParseIndex(content)
		if err == nil {
			require.NotEmpty(t, files)
			require.LessOrEqual(t, len(files), 2000)
		}
	})
}

func FuzzValidPath(f *testing.F) {
	f.Add("a/../b")
	f.Add("a/b.sh")
	f.Fuzz(func(t *testing.T, name string) {
		if contentsource.ValidPath(name) {
			require.NotContains(t, "/"+name+"/", "/../")
			require.False(t, strings.HasPrefix(name, "/"))
			require.True(t, utf8.ValidString(name))
		}
	})
}

func FuzzParseItem(f *testing.F) {
	f.Add("a.sh", []byte("# @name: A\n# @os: a,b\necho"))
	f.Add("a.txt", []byte("\ufeff# @name: A\r\n# x\r\necho"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		if !contentsource.ValidPath(name) {
			return
		}
		title, description, text, systems, err := contentsource.ParseItem(name, content)
		if err != nil {
			return
		}
		require.NotEmpty(t, title)
		require.NotEmpty(t, text)
		require.LessOrEqual(t, utf8.RuneCountInString(title), 255)
		require.LessOrEqual(t, utf8.RuneCountInString(description), 5000)
		require.LessOrEqual(t, len(systems), 50)
		for _, system := range systems {
			require.NotContains(t, system, ",")
		}
	})
}

func FuzzParseLocation(f *testing.F) {
	f.Add("https://Example.org/x/")
	f.Add("http://[::1]:80")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := contentsource.ParseLocation(text)
		if err != nil {
			return
		}
		again, err := contentsource.ParseLocation(u.String())
		require.NoError(t, err)
		require.Equal(t, u.String(), again.String(), "what is stored reads as itself")
	})
}
