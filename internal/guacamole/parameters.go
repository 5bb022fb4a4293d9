package guacamole

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Desktop is what is shown: a host as an entry has it, and who logs in there.
type Desktop struct {
	Protocol, Host     string
	Port               int
	Username, Password string
	// Config is the entry's.
	Config []byte
	// IgnoreCertificate takes whatever certificate an RDP host shows.
	IgnoreCertificate bool
}

// Parameters are what guacd is told of a desktop, by its own names, and whether sound is
// wanted.
func (d Desktop) Parameters() (parameters map[string]string, audio bool, err error) {
	var config map[string]any
	if err := json.Unmarshal(d.Config, &config); err != nil {
		return nil, false, fmt.Errorf("read the configuration of a desktop: %w", err)
	}
	text := func(key string) string {
		switch value := config[key].(type) {
		case string:
			return value
		case float64:
			return strconv.FormatFloat(value, 'f', -1, 64)
		}
		return ""
	}
	p := map[string]string{
		"hostname": d.Host, "port": strconv.Itoa(d.Port), "username": d.Username, "password": d.Password,
		"color-depth": text("colorDepth"),
	}
	resize := text("resizeMethod")
	if d.Protocol != "rdp" {
		if resize != "none" {
			p["resize-method"] = resize
		}
		return p, config["enableAudio"] != false, nil
	}
	if resize != "reconnect" {
		resize = "display-update"
	}
	p["resize-method"] = resize
	p["ignore-cert"] = strconv.FormatBool(d.IgnoreCertificate)
	p["security"] = text("rdpSecurity")
	p["server-layout"] = text("keyboardLayout")
	if p["server-layout"] == "" {
		p["server-layout"] = "en-us-qwerty"
	}
	if domain, user, is := strings.Cut(d.Username, `\`); is {
		p["domain"], p["username"] = domain, user
	}
	for key, name := range map[string]string{
		"enableWallpaper": "enable-wallpaper", "enableTheming": "enable-theming", "enableFontSmoothing": "enable-font-smoothing",
	} {
		p[name] = strconv.FormatBool(config[key] != false)
	}
	for key, name := range map[string]string{
		"enableFullWindowDrag": "enable-full-window-drag", "enableDesktopComposition": "enable-desktop-composition",
		"enableMenuAnimations": "enable-menu-animations",
	} {
		p[name] = strconv.FormatBool(config[key] == true)
	}
	return p, config["enableAudio"] != false, nil
}
