// Package kubernetes has what odpm renders read by Kubernetes' own types, member
// by member: an API server refuses what they do not know. It is a module of its
// own, so that odpm does not depend on them.
package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// pods checks what the types alone do not say: that every mount has a volume,
// and that the labels are those of the selector.
func pods(t *testing.T, at string, pod corev1.PodTemplateSpec, selector map[string]string) {
	t.Helper()
	for key, value := range selector {
		if pod.Labels[key] != value {
			t.Errorf("%s: the selector has %s=%s, the pods have %v", at, key, value, pod.Labels)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		paths, names := map[string]bool{}, map[string]bool{}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] || paths[m.MountPath] {
				t.Errorf("%s: %s mounts %s at %s", at, c.Name, m.Name, m.MountPath)
			}
			paths[m.MountPath] = true
		}
		for _, e := range c.Env {
			if names[e.Name] || e.Value != "" && e.ValueFrom != nil {
				t.Errorf("%s: %s has %s twice", at, c.Name, e.Name)
			}
			names[e.Name] = true
		}
		if c.Image == "" || c.SecurityContext == nil || *c.SecurityContext.AllowPrivilegeEscalation {
			t.Errorf("%s: %+v", at, c)
		}
	}
	if *pod.Spec.EnableServiceLinks || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("%s: %+v", at, pod.Spec)
	}
}

func TestRendered(t *testing.T) {
	files, err := filepath.Glob("../../host/render/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("nothing is rendered")
	}
	kinds := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n---\n")[1:] {
			var head struct{ Kind, APIVersion string }
			if err := yaml.Unmarshal([]byte(part), &head); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			at := filepath.Base(file) + " " + head.Kind
			kinds[head.APIVersion+" "+head.Kind]++
			strict := func(to any) {
				if err := yaml.UnmarshalStrict([]byte(part), to); err != nil {
					t.Errorf("%s: %v", at, err)
				}
			}
			switch head.APIVersion + " " + head.Kind {
			case "v1 ConfigMap":
				strict(&corev1.ConfigMap{})
			case "v1 PersistentVolumeClaim":
				strict(&corev1.PersistentVolumeClaim{})
			case "v1 Service":
				strict(&corev1.Service{})
			case "networking.k8s.io/v1 NetworkPolicy":
				strict(&networkingv1.NetworkPolicy{})
			case "apps/v1 Deployment":
				d := &appsv1.Deployment{}
				strict(d)
				pods(t, at, d.Spec.Template, d.Spec.Selector.MatchLabels)
			case "batch/v1 Job":
				j := &batchv1.Job{}
				strict(j)
				pods(t, at, j.Spec.Template, nil)
				if *j.Spec.BackoffLimit != 0 || *j.Spec.Parallelism != 1 || j.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
					t.Errorf("%s runs more than once: %+v", at, j.Spec)
				}
			default:
				t.Errorf("%s: %s is not known here", at, head.APIVersion)
			}
		}
	}
	if len(kinds) != 6 {
		t.Errorf("%v", kinds)
	}
}
