// Package compose checks docker-compose.yml without an engine, and by Caddy what Caddy reads. It is
// a module of its own so that the loader's dependencies stay out of the product.
package compose

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T) *types.Project {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// No environment and no .env: what is checked is what a fresh clone starts.
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// servers are the services that serve the API, by what Caddy knows them as.
var servers = []string{"nexterm1", "nexterm2"}

func TestServices(t *testing.T) {
	project := load(t)
	if names := project.ServiceNames(); !slices.Equal(names, []string{"caddy", "migrate", "nexterm1", "nexterm2", "postgres"}) {
		t.Fatalf("services: %v", names)
	}
	if image := project.Services["postgres"].Image; image != "postgres:17" {
		t.Errorf("postgres runs %s", image)
	}
	for _, name := range append(servers, "migrate") {
		service := project.Services[name]
		if service.Build == nil || service.Build.Context != project.WorkingDir || service.Image != project.Services["migrate"].Image {
			t.Errorf("%s is not what is built from this folder", name)
		}
	}
	if command := project.Services["migrate"].Command; !slices.Equal(command, []string{"migrate"}) {
		t.Errorf("migrate runs %v", command)
	}
	for name, volume := range map[string]string{"caddy": "/data", "postgres": "/var/lib/postgresql/data"} {
		if !slices.ContainsFunc(project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source != "" && v.Target == volume
		}) {
			t.Errorf("%s: %s is no named volume", name, volume)
		}
	}
}

func TestServicesCannotTakeTheMachine(t *testing.T) {
	for name, service := range load(t).Services {
		if service.MemLimit < 128<<20 || service.MemLimit > 2<<30 {
			t.Errorf("%s has %d bytes of memory", name, service.MemLimit)
		}
		if l := service.Logging; l == nil || l.Driver != "local" || l.Options["max-size"] == "" || l.Options["max-file"] == "" {
			t.Errorf("%s: its log grows", name)
		}
		if restart := service.Restart; restart != "unless-stopped" && name != "migrate" {
			t.Errorf("%s: restart is %q", name, restart)
		}
	}
}

func TestServicesAreConfined(t *testing.T) {
	for name, service := range load(t).Services {
		uid, _, _ := strings.Cut(service.User, ":")
		if uid == "" || uid == "0" || strings.Trim(uid, "0123456789") != "" {
			t.Errorf("%s: user is %q, want a number other than 0", name, service.User)
		}
		if !service.ReadOnly {
			t.Errorf("%s: the root file system is writable", name)
		}
		if !slices.ContainsFunc(service.Tmpfs, func(mount string) bool {
			path, _, _ := strings.Cut(mount, ":")
			return path == "/tmp"
		}) {
			t.Errorf("%s: no /tmp", name)
		}
		if service.Privileged || len(service.CapAdd) > 0 || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: privileged %v, adds %v, drops %v", name, service.Privileged, service.CapAdd, service.CapDrop)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: may gain privileges", name)
		}
		if service.NetworkMode != "" || service.Pid != "" || service.Ipc != "" || len(service.Devices) > 0 {
			t.Errorf("%s: shares something of the host", name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				t.Errorf("%s: mounts %s of the host", name, volume.Source)
			}
		}
	}
}

func TestServicesStartInOrder(t *testing.T) {
	project := load(t)
	for name, service := range project.Services {
		if name == "migrate" {
			continue
		}
		if service.HealthCheck == nil || service.HealthCheck.Disable || len(service.HealthCheck.Test) < 2 {
			t.Errorf("%s: no health check", name)
			continue
		}
		// The server's image has no shell to run any other form.
		if service.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s: health check is %v", name, service.HealthCheck.Test)
		}
	}
	waits := func(name, on, condition string) {
		if is := project.Services[name].DependsOn[on].Condition; is != condition {
			t.Errorf("%s waits for %s to be %q", name, on, is)
		}
	}
	waits("migrate", "postgres", types.ServiceConditionHealthy)
	for _, server := range servers {
		waits(server, "migrate", types.ServiceConditionCompletedSuccessfully)
		waits("caddy", server, types.ServiceConditionHealthy)
	}
}

func TestOnlyCaddyIsReachable(t *testing.T) {
	project := load(t)
	for name, service := range project.Services {
		var published []string
		for _, port := range service.Ports {
			published = append(published, port.Published+"/"+port.Protocol)
		}
		if want := map[string][]string{"caddy": {"80/tcp", "443/tcp", "443/udp"}}[name]; !slices.Equal(published, want) {
			t.Errorf("%s publishes %v", name, published)
		}
		if len(service.Networks) == 0 {
			t.Errorf("%s is in the default network", name)
		}
	}
	postgres, caddy := project.Services["postgres"], project.Services["caddy"]
	for network := range postgres.Networks {
		if !project.Networks[network].Internal {
			t.Errorf("postgres is in %s, which leads outside", network)
		}
		if _, ok := caddy.Networks[network]; ok {
			t.Errorf("caddy is in %s, with postgres", network)
		}
		for _, name := range append(servers, "migrate") {
			if _, ok := project.Services[name].Networks[network]; !ok {
				t.Errorf("%s is not in %s", name, network)
			}
		}
	}
}

// Debian's Caddy is older than the image's: what it takes, both do.
func TestCaddyLeadsToTheServers(t *testing.T) {
	project := load(t)
	caddy := project.Services["caddy"]
	if caddy.Build == nil || caddy.Build.Context != filepath.Join(project.WorkingDir, "deploy", "caddy") {
		t.Fatalf("caddy is built from %+v", caddy.Build)
	}
	environment := []string{"PATH=" + os.Getenv("PATH"), "XDG_CONFIG_HOME=" + t.TempDir(), "XDG_DATA_HOME=" + t.TempDir()}
	for key, value := range caddy.Environment {
		environment = append(environment, key+"="+*value)
	}
	run := func(arguments ...string) []byte {
		command := exec.CommandContext(t.Context(), "caddy", arguments...)
		command.Env = environment
		var said bytes.Buffer
		command.Stderr = &said
		output, err := command.Output()
		if err != nil {
			t.Fatalf("caddy %v: %v\n%s", arguments, err, &said)
		}
		return output
	}
	file := filepath.Join(caddy.Build.Context, "Caddyfile")
	if text, err := os.ReadFile(file); err != nil || !bytes.Equal(run("fmt", file), text) {
		t.Errorf("caddy fmt --overwrite %s", file)
	}
	run("validate", "--adapter", "caddyfile", "--config", file)
	adapted := run("adapt", "--adapter", "caddyfile", "--config", file)
	var dials []string
	for _, found := range regexp.MustCompile(`"dial":"([^"]*)"`).FindAllSubmatch(adapted, -1) {
		dials = append(dials, string(found[1]))
	}
	if want := []string{servers[0] + ":6989", servers[1] + ":6989"}; !slices.Equal(dials, want) {
		t.Errorf("caddy leads to %v", dials)
	}
	for _, name := range servers {
		service := project.Services[name]
		if trust := service.Environment["TRUST_PROXY"]; trust == nil || *trust != "1" {
			t.Errorf("%s takes Caddy for the client", name)
		}
		if node := service.Environment["NODE_URL"]; node == nil || *node != "http://"+name+":6989" {
			t.Errorf("%s: its terminals are out of reach for the other server", name)
		}
		if public := service.Environment["PUBLIC_URLS"]; public == nil || *public != "https://"+*caddy.Environment["DOMAIN"] {
			t.Errorf("%s: PUBLIC_URLS is not what Caddy serves", name)
		}
	}
}

func TestSecretsAreFiles(t *testing.T) {
	project := load(t)
	for name, secret := range project.Secrets {
		if secret.Environment != "" || secret.Content != "" ||
			filepath.Dir(secret.File) != filepath.Join(project.WorkingDir, "secrets") {
			t.Errorf("secret %s is no file in secrets/, the folder that git ignores", name)
		}
	}
	settings := map[string][]string{
		"migrate":  {"DATABASE_PASSWORD_FILE", "ENCRYPTION_KEY_FILE"},
		"nexterm1": {"DATABASE_PASSWORD_FILE", "ENCRYPTION_KEY_FILE"},
		"nexterm2": {"DATABASE_PASSWORD_FILE", "ENCRYPTION_KEY_FILE"},
		"postgres": {"POSTGRES_PASSWORD_FILE"},
	}
	for name, service := range project.Services {
		mounted := map[string]bool{}
		for _, secret := range service.Secrets {
			mounted["/run/secrets/"+secret.Source] = true
		}
		for _, setting := range settings[name] {
			if path := service.Environment[setting]; path == nil || !mounted[*path] {
				t.Errorf("%s: %s names no secret of the service", name, setting)
			}
		}
		for key, value := range service.Environment {
			if value == nil {
				t.Errorf("%s: %s is taken from whoever starts it", name, key)
				continue
			}
			for _, word := range []string{"PASSWORD", "SECRET", "KEY", "TOKEN"} {
				if strings.Contains(key, word) && !strings.HasSuffix(key, "_FILE") {
					t.Errorf("%s: %s is a secret in the environment", name, key)
				}
			}
			if address, err := url.Parse(*value); err == nil && address.User != nil {
				if _, set := address.User.Password(); set {
					t.Errorf("%s: %s has a password in it", name, key)
				}
			}
		}
	}
}
