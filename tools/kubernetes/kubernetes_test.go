// Package kubernetes checks deploy/kubernetes by Kubernetes' own types, without a cluster. It is a
// module of its own so that these stay out of the product.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	stream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const folder = "../../deploy/kubernetes"

// read decodes all objects. Unknown fields and those that are there twice are errors.
func read(t *testing.T) (objects []meta.Object, cluster map[string]any) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, batch.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := stream.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			// CloudNativePG's types are in no module that the proxy has; its operator checks the rest.
			if bytes.Contains(document, []byte("\napiVersion: postgresql.cnpg.io/v1\n")) {
				if err := yaml.UnmarshalStrict(document, &cluster); err != nil {
					t.Errorf("%s: %v", file, err)
				}
				continue
			}
			object, _, err := decoder.Decode(document, nil, nil)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			objects = append(objects, object.(meta.Object))
		}
	}
	return objects, cluster
}

// the returns the object of a type that has this name.
func the[T meta.Object](t *testing.T, name string) T {
	t.Helper()
	objects, _ := read(t)
	for _, object := range objects {
		if typed, ok := object.(T); ok && object.GetName() == name {
			return typed
		}
	}
	t.Fatalf("no %T is called %s", *new(T), name)
	return *new(T)
}

// pods are what the Deployment and the Job start.
func pods(t *testing.T) map[string]core.PodTemplateSpec {
	return map[string]core.PodTemplateSpec{
		"nexterm":         the[*apps.Deployment](t, "nexterm").Spec.Template,
		"nexterm-migrate": the[*batch.Job](t, "nexterm-migrate").Spec.Template,
	}
}

func field(tree map[string]any, path ...string) any {
	var at any = tree
	for _, key := range path {
		branch, _ := at.(map[string]any)
		at = branch[key]
	}
	return at
}

func TestObjectsAreInTheNamespace(t *testing.T) {
	objects, cluster := read(t)
	if len(objects) != 8 {
		t.Errorf("%d objects", len(objects))
	}
	namespaces := []any{field(cluster, "metadata", "namespace")}
	for _, object := range objects {
		if space, ok := object.(*core.Namespace); ok {
			if space.Name != "nexterm" || space.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("namespace %s: %v", space.Name, space.Labels)
			}
			continue
		}
		namespaces = append(namespaces, object.GetNamespace())
	}
	for _, namespace := range namespaces {
		if namespace != "nexterm" {
			t.Errorf("something is in %v", namespace)
		}
	}
}

func TestKustomizationTakesEveryFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		APIVersion, Kind string
		Resources        []string
		Images           []struct{ Name, NewName, NewTag string }
	}
	if err := yaml.UnmarshalStrict(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		optional := []string{"kustomization.yaml", "ingress.yaml"}
		if slices.Contains(kustomization.Resources, file.Name()) == slices.Contains(optional, file.Name()) {
			t.Errorf("%s is in resources, or is not", file.Name())
		}
	}
	for name, pod := range pods(t) {
		if image := pod.Spec.Containers[0].Image; len(kustomization.Images) != 1 || image != kustomization.Images[0].Name {
			t.Errorf("%s runs %s, which kustomize does not replace", name, image)
		}
	}
}

// What the namespace enforces, and more.
func TestPodsAreRestricted(t *testing.T) {
	for name, pod := range pods(t) {
		c, container := pod.Spec.SecurityContext, pod.Spec.Containers[0]
		if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) != 0 {
			t.Errorf("%s has other containers", name)
		}
		if c == nil || !*c.RunAsNonRoot || *c.RunAsUser != 65532 || *c.RunAsGroup != 65532 || *c.FSGroup != 65532 ||
			c.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", name, c)
		}
		s := container.SecurityContext
		if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Privileged != nil ||
			!slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || s.Capabilities.Add != nil {
			t.Errorf("%s: %+v", name, s)
		}
		if pod.Spec.HostNetwork || pod.Spec.HostPID || pod.Spec.HostIPC || *pod.Spec.AutomountServiceAccountToken || *pod.Spec.EnableServiceLinks {
			t.Errorf("%s is given more than it needs", name)
		}
		for _, list := range []core.ResourceList{container.Resources.Requests, container.Resources.Limits} {
			if list.Memory().IsZero() {
				t.Errorf("%s: %+v", name, container.Resources)
			}
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.HostPath != nil {
				t.Errorf("%s mounts %s of its node", name, volume.HostPath.Path)
			}
			for _, mode := range modes(volume) {
				if mode == nil || *mode != 0o440 {
					t.Errorf("%s: secrets of %s can be read by others", name, volume.Name)
				}
			}
		}
	}
}

func modes(volume core.Volume) []*int32 {
	switch {
	case volume.Secret != nil:
		return []*int32{volume.Secret.DefaultMode}
	case volume.Projected != nil:
		return []*int32{volume.Projected.DefaultMode}
	}
	return nil
}

// The settings are some, and their secrets are files that are mounted.
func TestSettings(t *testing.T) {
	known, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, pod := range pods(t) {
		files := map[string]bool{}
		for _, mount := range pod.Spec.Containers[0].VolumeMounts {
			volume := pod.Spec.Volumes[slices.IndexFunc(pod.Spec.Volumes, func(v core.Volume) bool { return v.Name == mount.Name })]
			if volume.Secret != nil && volume.Secret.SecretName == "nexterm" {
				files[mount.MountPath+"/encryption_key"] = true // as docs/deploy.md makes it
			}
			if volume.Projected != nil {
				for _, source := range volume.Projected.Sources {
					for _, item := range source.Secret.Items {
						files[mount.MountPath+"/"+item.Path] = true
					}
				}
			}
		}
		for _, set := range pod.Spec.Containers[0].Env {
			if set.ValueFrom != nil { // what other settings are made of
				continue
			}
			if !strings.Contains(string(known), "| `"+set.Name+"` |") {
				t.Errorf("%s: %s is no setting", name, set.Name)
			}
			if strings.HasSuffix(set.Name, "_FILE") && !files[set.Value] {
				t.Errorf("%s: %s=%s is no file of a secret", name, set.Name, set.Value)
			}
			if _, file, found := strings.Cut(set.Value, "sslrootcert="); found && !files[file] {
				t.Errorf("%s: %s is no file of a secret", name, file)
			}
		}
	}
}
