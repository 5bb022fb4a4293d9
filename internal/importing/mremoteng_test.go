package importing_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var errAsked = errors.New("asked for a password")

func readMRemoteNG(t *testing.T, name, password string) ([]*importing.Row, error) {
	t.Helper()
	file, err := os.Open("testdata/mremoteng/" + name)
	require.NoError(t, err)
	defer file.Close()
	return importing.MRemoteNG(name, file, func() (nexterm.Secret, error) {
		if password == "" {
			return "", errAsked
		}
		return nexterm.Secret(password), nil
	})
}

func TestMRemoteNG(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"confCons.xml": "", "master.xml": "Zürich", "whole.xml": "Zürich"} {
		rows, err := readMRemoteNG(t, name, password)
		require.NoError(t, err, name)
		require.Len(t, rows, 5)
		desktop, web, bastion := rows[0], rows[1], rows[2]
		require.Equal(t, []string{"Office"}, desktop.Folder)
		require.Equal(t, nexterm.EntryConfig{Protocol: "rdp", IP: "pc.example.com", Port: 3390, MACAddress: "00:11:22:aa:bb:cc", Notes: "the office"}, desktop.Config)
		require.Equal(t, []importing.Login{{Username: `CORP\anna`, Password: "folder secret"}}, desktop.Logins)
		require.Equal(t, "web & mail", web.Name)
		require.Equal(t, []string{"Office", "EU"}, web.Folder)
		require.Equal(t, nexterm.EntryConfig{Protocol: "ssh", IP: "web.example.com", Port: 2222, Notes: "line one\nline two"}, web.Config)
		require.Equal(t, []importing.Login{{Username: "anna", Password: "folder secret"}}, web.Logins)
		require.Equal(t, []*importing.Row{bastion}, web.Via)
		require.Equal(t, nexterm.Secret("pässword"), bastion.Logins[0].Password)
		require.Equal(t, `its protocol is "HTTPS"`, rows[3].Skip)
		require.Equal(t, "its password is left out: it cannot be decrypted", rows[4].Note)
		require.Equal(t, name != "whole.xml", bastion.Line == 9, "%s: %d", name, bastion.Line)
	}
	_, err := readMRemoteNG(t, "master.xml", "")
	require.ErrorIs(t, err, errAsked)
	_, err = readMRemoteNG(t, "whole.xml", "Zurich")
	require.ErrorContains(t, err, "the password is wrong")
}

const root = `<Connections EncryptionEngine="AES" BlockCipherMode="%s" KdfIterations="%s" FullFileEncryption="false" Protected="%s" ConfVersion="%s">`

func TestMRemoteNGThatIsHostile(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/mremoteng/confCons.xml")
	require.NoError(t, err)
	good, _, _ := strings.Cut(string(file), "<Node")
	bomb := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>` + good + "&b;"
	for content, wrong := range map[string]string{
		bomb:                            "has a document type",
		good + `<Node Name="&b;" />`:    "invalid character entity &b;",
		good + "<!DOCTYPE x>":           "has a document type",
		"":                              "is no file of mRemoteNG",
		"<html/>":                       `begins with "html"`,
		"PK\x03\x04":                    "f, line 1: ",
		good:                            "unexpected EOF",
		good + "<Node Name=\"\xff\" />": "invalid UTF-8",
		good + "<Node Name=\"\x01\" />": "illegal character code",
		good + strings.Repeat(`<Node Type="Container" Name="a">`, 100_000):  "nest deeper than 32",
		good + strings.Repeat(`<a>`, 2_000_000):                             "f, line",
		good + strings.Repeat(`<Node Type="Connection" Name="a"/>`, 20_001): "more than 20000 servers",
		fmt.Sprintf(root, "CBC", "1000", "", "2.6"):                         "1.74 or older",
		fmt.Sprintf(root, "", "", "", "2.5"):                                "1.74 or older",
		fmt.Sprintf(root, "EAX", "1000", "", "2.6"):                         `"AES-EAX": choose AES and GCM`,
		fmt.Sprintf(root, "GCM", "x", "", "2.6"):                            "KdfIterations is",
		fmt.Sprintf(root, "GCM", "100001", strings.Repeat("A", 64), "2.6"):  "takes too long",
		fmt.Sprintf(root, "GCM", "1000", "no base64", "2.6"):                errAsked.Error(),
	} {
		_, err := importing.MRemoteNG("f", strings.NewReader(content), func() (nexterm.Secret, error) { return "", errAsked })
		require.ErrorContains(t, err, wrong, "%.300q", content)
	}
}

// repeating is a file without end.
type repeating struct {
	text string
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}

// Whatever comes, memory does not grow with it.
func TestFilesWithoutEnd(t *testing.T) {
	file, err := os.ReadFile("testdata/mremoteng/confCons.xml")
	require.NoError(t, err)
	good, _, _ := strings.Cut(string(file), "<Node")
	mremoteng := func(from io.Reader) error {
		_, err := importing.MRemoteNG("f", from, func() (nexterm.Secret, error) { return "", errAsked })
		return err
	}
	csv := func(from io.Reader) error { _, err := importing.CSV("f", from); return err }
	putty := func(from io.Reader) error { _, err := importing.PuTTYRegistry("f", from); return err }
	ssh := func(from io.Reader) error { _, err := importing.SSHConfig("f", from, false); return err }
	for _, c := range []struct {
		read         func(io.Reader) error
		start, again string
	}{
		{mremoteng, good + `<Node Name="`, "a"}, {mremoteng, good, `<a b="c"/>`}, {mremoteng, good, "<a>"}, {mremoteng, good, "text "},
		{mremoteng, good + "<!--", "x"}, {mremoteng, "", " "}, {mremoteng, good + "<Node ", `a="" `},
		{csv, "name,host\n", "a,b,c\n"}, {csv, `"`, "a"}, {csv, "name,host\n", "\n"},
		{putty, "REGEDIT4\n", "\"a\"=\"b\"\n"}, {putty, "REGEDIT4\n", "x"}, {putty, "\xff\xfe", "\x00"},
		{ssh, "", "Host a b c\n"}, {ssh, "", "Host *\nUser x\n"}, {ssh, "", "a"}, {ssh, "User ", "x y "},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.read(io.MultiReader(strings.NewReader(c.start), &repeating{text: c.again}))
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%.20q", c.again)
		require.Less(t, int64(after.HeapSys)-int64(before.HeapSys), int64(256<<20), "%.20q", c.again)
		t.Logf("%.20q: %v; %d MiB", c.again, err, (int64(after.HeapSys)-int64(before.HeapSys))>>20)
	}
}

func FuzzMRemoteNG(f *testing.F) {
	content, err := os.ReadFile("testdata/mremoteng/confCons.xml")
	require.NoError(f, err)
	body := string(content[bytes.Index(content, []byte("<Node")):])
	// Keys that are soon derived leave time for more files.
	probe := sealed(f, "ThisIsNotProtected", "mR3m", 1)
	for _, whole := range []bool{false, true} {
		f.Add(body, whole)
	}
	f.Fuzz(func(t *testing.T, body string, whole bool) {
		head := fmt.Sprintf(root, "GCM", "1", probe, "2.6")
		if whole {
			head = strings.Replace(head, `"false"`, `"true"`, 1)
			body = sealed(t, body, "mR3m", 1) + "</Connections>"
		}
		rows, err := importing.MRemoteNG("f", strings.NewReader(head+body), func() (nexterm.Secret, error) { return "", errAsked })
		checkRows(t, rows, err)
	})
}

// sealed is a text as mRemoteNG encrypts it.
func sealed(t testing.TB, text, password string, iterations int) string {
	t.Helper()
	salt := make([]byte, 32) // and the nonce
	key, err := pbkdf2.Key(sha1.New, password, salt[:16], iterations, 32)
	require.NoError(t, err)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	gcm, err := cipher.NewGCMWithNonceSize(block, 16)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(gcm.Seal(salt, salt[16:], []byte(text), salt[:16]))
}
