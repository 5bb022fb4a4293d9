// Package compose checks docker-compose.yml without an engine. It is a module of its own so that
// the loader's dependencies stay out of the product.
package compose

import (
	"net/url"
	"path/filepath"
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

func TestServices(t *testing.T) {
	project := load(t)
	if names := project.ServiceNames(); !slices.Equal(names, []string{"nexterm", "postgres"}) {
		t.Fatalf("services: %v", names)
	}
	if image := project.Services["postgres"].Image; image != "postgres:17" {
		t.Errorf("postgres runs %s", image)
	}
	if build := project.Services["nexterm"].Build; build == nil {
		t.Error("nexterm is not built from this folder")
	}
	for name, volume := range map[string]string{"nexterm": "/data", "postgres": "/var/lib/postgresql/data"} {
		if !slices.ContainsFunc(project.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source != "" && v.Target == volume
		}) {
			t.Errorf("%s: %s is no named volume", name, volume)
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
		if service.HealthCheck == nil || service.HealthCheck.Disable || len(service.HealthCheck.Test) < 2 {
			t.Errorf("%s: no health check", name)
			continue
		}
		// The server's image has no shell to run any other form.
		if service.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s: health check is %v", name, service.HealthCheck.Test)
		}
	}
	on := project.Services["nexterm"].DependsOn["postgres"]
	if on.Condition != types.ServiceConditionHealthy {
		t.Errorf("nexterm waits for postgres to be %q", on.Condition)
	}
}

func TestOnlyTheServerIsReachable(t *testing.T) {
	project := load(t)
	server, postgres := project.Services["nexterm"], project.Services["postgres"]
	if len(server.Ports) != 1 || server.Ports[0].Target != 6989 || server.Ports[0].Published != "6989" {
		t.Errorf("nexterm publishes %+v", server.Ports)
	}
	if len(postgres.Ports) != 0 {
		t.Errorf("postgres publishes %+v", postgres.Ports)
	}
	for network := range postgres.Networks {
		if !project.Networks[network].Internal {
			t.Errorf("postgres is in %s, which leads outside", network)
		}
		if _, ok := server.Networks[network]; !ok {
			t.Errorf("nexterm is not in %s", network)
		}
	}
	if len(postgres.Networks) == 0 {
		t.Error("postgres is in the default network")
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
		"nexterm":  {"DATABASE_PASSWORD_FILE", "ENCRYPTION_KEY_FILE"},
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
