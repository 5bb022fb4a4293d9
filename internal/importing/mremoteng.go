package importing

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// maxContainers is how deep a server nests folders, with one around all.
const maxContainers = 32

// MRemoteNG reads a confCons.xml of mRemoteNG 1.75 or newer. The password is asked for
// if the file has another one than mRemoteNG's default.
func MRemoteNG(name string, from io.Reader, password func() (nexterm.Secret, error)) ([]*Row, error) {
	file := &mremoteng{name: name, ask: password, from: bounded(from), tunnels: map[*Row]string{}}
	if err := file.read(xml.NewDecoder(file.from)); err != nil {
		return nil, err
	}
	known := named(file.rows)
	for row, tunnel := range file.tunnels {
		hop, err := known.only(tunnel)
		switch {
		case err != nil:
			row.Skip = err.Error()
		case hop == row:
			row.Skip = "it is its own tunnel"
		default:
			row.Via = []*Row{hop}
		}
	}
	return file.rows, nil
}

type mremoteng struct {
	name string
	ask  func() (nexterm.Secret, error)
	from *limit
	seal *mremotengSeal
	rows []*Row
	// tunnels are the connections by whose name a row is reached.
	tunnels map[*Row]string
}

// node is a container or a connection, with what it inherits put in.
type node map[string]string

// inherited are the properties of use here that containers hand down, and what says so.
var inherited = map[string]string{
	"Username": "InheritUsername", "Domain": "InheritDomain", "Password": "InheritPassword", "Protocol": "InheritProtocol",
	"Port": "InheritPort", "Descr": "InheritDescription", "MacAddress": "InheritMacAddress", "SSHTunnelConnectionName": "InheritSSHTunnelConnectionName",
}

func (m *mremoteng) fail(decoder *xml.Decoder, err error) error {
	line, _ := decoder.InputPos()
	if syntax, is := errors.AsType[*xml.SyntaxError](err); is {
		return fmt.Errorf("%s, line %d: %s", m.name, syntax.Line, syntax.Msg)
	}
	return fmt.Errorf("%s, line %d: %w", m.name, line, err)
}

func (m *mremoteng) read(decoder *xml.Decoder) error {
	for {
		m.from.next()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s is no file of mRemoteNG", m.name)
		}
		if err != nil {
			return m.fail(decoder, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return m.fail(decoder, errDocumentType)
		case xml.StartElement:
			whole, err := m.root(t)
			if err != nil {
				return err
			}
			if whole {
				return m.sealed(decoder)
			}
			return m.nodes(decoder, true)
		}
	}
}

var errDocumentType = errors.New("it has a document type, which files of mRemoteNG never have")

// root reads how the file is encrypted, and whether all of it is.
func (m *mremoteng) root(element xml.StartElement) (whole bool, err error) {
	attributes := attributesOf(element)
	version, _ := strconv.ParseFloat(attributes["ConfVersion"], 64)
	switch mode := attributes["EncryptionEngine"] + "-" + attributes["BlockCipherMode"]; {
	case element.Name.Local != "Connections":
		return false, fmt.Errorf("%s is no file of mRemoteNG: it begins with %.50q", m.name, element.Name.Local)
	case version < 2.6 || attributes["BlockCipherMode"] == "CBC":
		return false, fmt.Errorf("%s was written by mRemoteNG 1.74 or older, whose encryption is not supported: open and save it with a newer one", m.name)
	case mode != "AES-GCM":
		return false, fmt.Errorf("%s is encrypted with %.30q: choose AES and GCM in mRemoteNG's options, under Security, and save it again", m.name, mode)
	}
	iterations, err := strconv.Atoi(attributes["KdfIterations"])
	if err != nil || iterations < 1 {
		return false, fmt.Errorf("%s: KdfIterations is %.30q", m.name, attributes["KdfIterations"])
	}
	if m.seal, err = openMRemoteNG(iterations, attributes["Protected"], m.ask); err != nil {
		return false, fmt.Errorf("%s: %w", m.name, err)
	}
	return strings.EqualFold(attributes["FullFileEncryption"], "true"), nil
}

// sealed reads nodes that are encrypted as one.
func (m *mremoteng) sealed(decoder *xml.Decoder) error {
	var content strings.Builder
	m.from.item = maxFile
	for {
		token, err := decoder.Token()
		if err != nil {
			return m.fail(decoder, err)
		}
		switch t := token.(type) {
		case xml.CharData:
			content.Write(t)
		case xml.EndElement:
			plain, err := m.seal.open(strings.Join(strings.Fields(content.String()), ""))
			if err != nil {
				return m.fail(decoder, err)
			}
			return m.nodes(xml.NewDecoder(strings.NewReader(string(plain))), false)
		}
	}
}

// nodes reads containers and connections, which end with the root element or, in what
// was encrypted, with the text.
func (m *mremoteng) nodes(decoder *xml.Decoder, rooted bool) error {
	around := []node{{}}
	for {
		m.from.next()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && !rooted && len(around) == 1 {
			return nil
		}
		if err != nil {
			return m.fail(decoder, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return m.fail(decoder, errDocumentType)
		case xml.StartElement:
			if t.Name.Local != "Node" {
				if err := decoder.Skip(); err != nil {
					return m.fail(decoder, err)
				}
				continue
			}
			n := inherit(attributesOf(t), around[len(around)-1])
			if around = append(around, n); len(around) > maxContainers+2 {
				return m.fail(decoder, fmt.Errorf("folders nest deeper than %d", maxContainers))
			}
			if n["Type"] == "Container" {
				continue
			}
			line, _ := decoder.InputPos()
			if !rooted {
				line = 0
			}
			if err := m.connection(line, n, around[1:len(around)-1]); err != nil {
				return err
			}
		case xml.EndElement:
			if around = around[:len(around)-1]; len(around) == 0 {
				return nil
			}
		}
	}
}

func attributesOf(element xml.StartElement) node {
	n := make(node, len(element.Attr))
	for _, attribute := range element.Attr {
		n[attribute.Name.Local] = attribute.Value
	}
	return n
}

// inherit keeps what is of use here, each property from where it comes.
func inherit(own, parent node) node {
	n := node{"Name": own["Name"], "Type": own["Type"], "Hostname": own["Hostname"]}
	for property, says := range inherited {
		if n[property] = own[property]; strings.EqualFold(own[says], "true") {
			n[property] = parent[property]
		}
	}
	return n
}

var mremotengProtocols = map[string]string{
	"SSH1": "ssh", "SSH2": "ssh", "Telnet": "telnet", "RDP": "rdp", "VNC": "vnc", "ARD": "vnc",
}

func (m *mremoteng) connection(line int, n node, folders []node) error {
	row := &Row{File: m.name, Line: line, Name: n["Name"]}
	m.rows = append(m.rows, row)
	for _, folder := range folders {
		row.Folder = append(row.Folder, folder["Name"])
	}
	port, err := strconv.Atoi(n["Port"])
	row.Config = nexterm.EntryConfig{Protocol: mremotengProtocols[n["Protocol"]], IP: n["Hostname"], Port: port, Notes: n["Descr"]}
	switch {
	case row.Config.Protocol == "":
		row.Skip = fmt.Sprintf("its protocol is %.30q", n["Protocol"])
		return tooMany(m.rows)
	case n["Port"] != "" && err != nil:
		row.Skip = fmt.Sprintf("its port is %.20q", n["Port"])
		return tooMany(m.rows)
	}
	if mac, err := net.ParseMAC(n["MacAddress"]); err == nil && len(mac) == 6 {
		row.Config.MACAddress = mac.String()
	}
	if tunnel := n["SSHTunnelConnectionName"]; tunnel != "" {
		m.tunnels[row] = tunnel
	}
	login := Login{Username: n["Username"]}
	if n["Domain"] != "" && row.Config.Protocol == "rdp" && login.Username != "" {
		login.Username = n["Domain"] + `\` + login.Username
	}
	if n["Password"] != "" {
		password, err := m.seal.open(n["Password"])
		switch {
		case errors.Is(err, errEffort):
			return fmt.Errorf("%s: %w", m.name, err)
		case err != nil:
			row.note("its password is left out: it cannot be decrypted")
		default:
			login.Password = nexterm.Secret(password)
		}
	}
	if login != (Login{}) && row.Config.Protocol != "telnet" {
		row.Logins = []Login{login}
	}
	return tooMany(m.rows)
}
