//go:build kubernetes

package kubernetes_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestAPI gives everything that odpm renders to an API server, which validates
// it strictly: what it does not know, and what it warns of, fails.
func TestAPI(t *testing.T) {
	a := startAPIServer(t, t.TempDir())
	texts := rendered(t)
	all := objects(t, texts)
	kinds, namespaces := map[string]bool{}, map[string]bool{}
	for _, o := range all {
		if !namespaces[o.namespace] {
			a.namespace(t, o.namespace)
		}
		kinds[o.Kind], namespaces[o.namespace] = true, true
		for request, r := range map[string]response{
			"create": a.create(t, o, strict+"&dryRun=All"),
			"apply":  a.apply(t, o, strict+"&dryRun=All"),
		} {
			if r.code != 201 || len(r.warnings) > 0 {
				t.Errorf("%s, %s --dry-run=server: %s\n%s", o.at, request, r, o.text)
			}
		}
	}
	for _, kind := range []string{"ConfigMap", "PersistentVolumeClaim", "Service", "Deployment", "NetworkPolicy", "Job"} {
		if !kinds[kind] {
			t.Errorf("no %s is rendered", kind)
		}
	}
	t.Run("strict", func(t *testing.T) { refused(t, a, all) })
	t.Run("applied", func(t *testing.T) { applied(t, a, all) })
	if !t.Failed() {
		must(t, os.WriteFile(acceptedFile, []byte(receipt(texts)), 0o644))
	}
}

// objects are those of the renderings.
func objects(t *testing.T, all []rendering) (parts []object) {
	t.Helper()
	for _, r := range all {
		parts = append(parts, documents(t, r.at, r.namespace, r.text)...)
	}
	return parts
}

// refused: the server that takes all of this takes not just anything.
func refused(t *testing.T, a *apiServer, all []object) {
	for _, wrong := range []struct{ was, is, says string }{
		{"enableServiceLinks: false", "enableServiceLink: false", `unknown field "spec.template.spec.enableServiceLink"`},
		{"automountServiceAccountToken: false", "enableServiceLinks: false", `already set`},
		{"mountPath: /tmp", "mountPath: /run/odpm/runtime", "must be unique"},
		{"restartPolicy: ", "hostNetwork: true\n      restartPolicy: ", "host namespaces"},
	} {
		met := 0
		for _, o := range all {
			if o.text = strings.Replace(o.text, wrong.was, wrong.is, 1); !strings.Contains(o.text, wrong.is) || o.Kind != "Deployment" && o.Kind != "Job" {
				continue
			}
			met++
			if r := a.create(t, o, strict+"&dryRun=All"); r.code == 201 && len(r.warnings) == 0 || !strings.Contains(r.String(), wrong.says) {
				t.Errorf("%s with %q: %s", o.at, wrong.is, r)
			}
		}
		if met < 2 {
			t.Errorf("%q is in %d Deployments and Jobs", wrong.was, met)
		}
	}
}

// applied: they are one whole, whose parts find each other, and applied again
// they change nothing.
func applied(t *testing.T, a *apiServer, all []object) {
	for _, o := range all {
		if o.Kind == "Job" {
			continue
		}
		first := a.apply(t, o, strict)
		if first.code != 200 && first.code != 201 {
			t.Errorf("%s: %s", o.at, first)
			continue
		}
		if again := a.apply(t, o, strict); again.code != 200 || !reflect.DeepEqual(kept(t, again), kept(t, first)) {
			t.Errorf("%s, applied again: %s\n%s\nafter\n%s", o.at, again, again.body, first.body)
		}
	}
	for _, o := range all {
		switch o.Kind {
		case "Deployment":
			var d deployment
			a.get(t, o, &d)
			d.Spec.Template.check(t, a, o)
			var s struct {
				Spec struct{ Selector map[string]string }
			}
			service := o
			service.APIVersion, service.Kind = "v1", "Service"
			a.get(t, service, &s)
			for key, value := range s.Spec.Selector {
				if d.Spec.Template.Metadata.Labels[key] != value {
					t.Errorf("%s: its pods have %v, the Service selects %v", o.at, d.Spec.Template.Metadata.Labels, s.Spec.Selector)
				}
			}
		case "Job":
			if r := a.create(t, o, strict); r.code != 201 || len(r.warnings) > 0 {
				t.Errorf("%s: %s", o.at, r)
			}
			// Two at once would ruin the database.
			if r := a.create(t, o, strict); r.code != 409 {
				t.Errorf("%s, created again: %s", o.at, r)
			}
			var j job
			a.get(t, o, &j)
			j.Spec.Template.check(t, a, o)
			if j.Spec.BackoffLimit != 0 || j.Spec.Parallelism != 1 || j.Spec.Completions != 1 || j.Spec.Template.Spec.RestartPolicy != "Never" {
				t.Errorf("%s runs more than once: %+v", o.at, j.Spec)
			}
		}
	}
}

// kept is the object that a response has, without the server's own notes on who
// wrote it when: a PersistentVolumeClaim gets a new resourceVersion for nothing.
func kept(t *testing.T, r response) map[string]any {
	t.Helper()
	var o map[string]any
	must(t, json.Unmarshal(r.body, &o))
	if metadata, ok := o["metadata"].(map[string]any); ok {
		delete(metadata, "resourceVersion")
		delete(metadata, "managedFields")
	}
	return o
}

// What is looked at of what the server keeps, with its defaults filled in.
type (
	deployment struct{ Spec struct{ Template pods } }
	job        struct {
		Spec struct {
			BackoffLimit, Parallelism, Completions int
			Template                               pods
		}
	}
	pods struct {
		Metadata struct{ Labels map[string]string }
		Spec     struct {
			RestartPolicy                                    string
			EnableServiceLinks, AutomountServiceAccountToken bool
			InitContainers, Containers                       []struct {
				Name            string
				SecurityContext struct{ AllowPrivilegeEscalation *bool }
			}
			Volumes []struct {
				ConfigMap             struct{ Name string }
				PersistentVolumeClaim struct{ ClaimName string }
			}
		}
	}
)

// check asks for what the server itself does not: whether what the pods mount
// is there, and that nothing in them gains rights.
func (p pods) check(t *testing.T, a *apiServer, o object) {
	t.Helper()
	if p.Spec.EnableServiceLinks || p.Spec.AutomountServiceAccountToken {
		t.Errorf("%s: %+v", o.at, p.Spec)
	}
	for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
		if e := c.SecurityContext.AllowPrivilegeEscalation; e == nil || *e {
			t.Errorf("%s: %s may gain privileges", o.at, c.Name)
		}
	}
	for _, v := range p.Spec.Volumes {
		for kind, name := range map[string]string{"ConfigMap": v.ConfigMap.Name, "PersistentVolumeClaim": v.PersistentVolumeClaim.ClaimName} {
			if name == "" {
				continue
			}
			mounted := object{at: o.at + " mounts " + kind + " " + name, namespace: o.namespace, Kind: kind, APIVersion: "v1"}
			mounted.Metadata.Name = name
			a.get(t, mounted, &struct{}{})
		}
	}
}
