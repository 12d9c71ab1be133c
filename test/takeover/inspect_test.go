//go:build takeover

package takeover

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// container is what docker inspect says of one, as far as somebody's file
// decides it.
type container struct {
	Config struct {
		User            string
		Env, Cmd        []string
		Entrypoint      []string
		Labels          map[string]string
		WorkingDir      string
		ExposedPorts    map[string]struct{}
		StopSignal      string
		Image, Hostname string
	}
	HostConfig struct {
		Binds         []string
		PortBindings  map[string][]struct{ HostIp, HostPort string }
		RestartPolicy struct{ Name string }
		ExtraHosts    []string
		ShmSize       int64
		Memory        int64
		Tmpfs         map[string]string
		Ulimits       []struct {
			Name       string
			Hard, Soft int64
		}
		Init        *bool
		NetworkMode string
		LogConfig   struct {
			Type   string
			Config map[string]string
		}
		CapAdd, SecurityOpt, Dns []string
	}
	Mounts          []struct{ Type, Name, Source, Destination string }
	NetworkSettings struct{ Networks map[string]any }
}

// inspect are the containers of the stack by their services.
func (s *stack) inspect() map[string]container {
	s.Helper()
	out := map[string]container{}
	ids := strings.Fields(s.docker("ps", "-aq", "--filter", "label=com.docker.compose.project="+s.project))
	text, err := s.run(exec.Command("docker", append([]string{"inspect"}, ids...)...))
	if err != nil {
		s.Fatalf("%v\n%s", err, text)
	}
	var all []container
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		s.Fatal(err)
	}
	for _, c := range all {
		if c.Config.Labels["com.docker.compose.oneoff"] == "True" {
			continue
		}
		out[c.Config.Labels["com.docker.compose.service"]] = c
	}
	return out
}

// What odpm does in a way of its own: the login.
var login = regexp.MustCompile(`^(HOST|PORT|USER|PASSWORD|PASSWORD_FILE|DB_[A-Z]+|PG[A-Z]+|POSTGRES_[A-Z_]+)=`)

// difference is what a service had and no longer has, and the word with which odpm
// has to name it if that is how it is meant to be.
type difference struct{ what, names string }

func (s *stack) lost(was, is map[string]container) []difference {
	s.Helper()
	var lost []difference
	named := ""
	say := func(format string, args ...any) {
		lost = append(lost, difference{fmt.Sprintf(format, args...), named})
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		a := was[name]
		b, ok := is[name]
		if !ok {
			say("service %s is gone", name)
			continue
		}
		named = ""
		for _, env := range a.Config.Env {
			named, _, _ = strings.Cut(env, "=")
			if !slices.Contains(b.Config.Env, env) && !login.MatchString(env) {
				say("%s: environment %s is gone", name, env)
			}
		}
		for key, value := range a.Config.Labels {
			named = key
			if !strings.HasPrefix(key, "com.docker.compose.") && b.Config.Labels[key] != value {
				say("%s: label %s is gone", name, key)
			}
		}
		for _, m := range a.Mounts {
			named = filepath.Base(m.Destination)
			i := slices.IndexFunc(b.Mounts, func(n struct{ Type, Name, Source, Destination string }) bool { return n.Destination == m.Destination })
			switch {
			case strings.HasPrefix(m.Destination, "/var/lib/postgresql") || slices.Contains(a.Config.Env, "PGDATA="+m.Destination) || dataOfOdoo(m.Destination):
				// Judged by the cluster's identifier and by the attachment.
			case i < 0 && m.Destination == "/etc/odoo":
				// odpm's odoo.conf is a copy of the one in it.
			case i < 0 && strings.HasPrefix(m.Destination, "/run/secrets/") && strings.Contains(m.Destination, "password"):
				// The login's.
			case i < 0:
				say("%s: the mount on %s is gone", name, m.Destination)
			case m.Type == "bind" && b.Mounts[i].Source != m.Source:
				say("%s: %s is mounted from %s, and was from %s", name, m.Destination, b.Mounts[i].Source, m.Source)
			case m.Type == "volume" && len(m.Name) != 64 && b.Mounts[i].Name != m.Name:
				say("%s: %s is mounted from %s, and was from volume %s", name, m.Destination, b.Mounts[i].Source, m.Name)
			}
		}
		named = "ports"
		for port, bindings := range a.HostConfig.PortBindings {
			for _, binding := range bindings {
				if !slices.ContainsFunc(b.HostConfig.PortBindings[port], func(n struct{ HostIp, HostPort string }) bool { return n.HostPort == binding.HostPort }) {
					say("%s: %s is not published on %s any more: %v", name, port, binding.HostPort, b.HostConfig.PortBindings)
				}
			}
		}
		for network := range a.NetworkSettings.Networks {
			if named = "networks"; network == "host" {
				named = "network_mode"
			}
			if _, ok := b.NetworkSettings.Networks[network]; !ok {
				say("%s: is not on network %s any more: %v", name, network, slices.Sorted(maps.Keys(b.NetworkSettings.Networks)))
			}
		}
		words := strings.Join(slices.Concat(b.Config.Entrypoint, b.Config.Cmd), " ")
		for _, word := range a.Config.Cmd {
			named, _, _ = strings.Cut(word, "=") // an option is named without its value
			if word == "--config=/etc/odoo/odoo.conf" {
				continue // where the image reads it, and where odpm mounts it
			}
			if name == s.db && word == "-p" {
				named = name + ".command: PostgreSQL listens"
			}
			if strings.HasPrefix(word, "-") && !strings.Contains(words, word) {
				say("%s: %s is not in the command any more: %s", name, word, words)
			}
		}
		named = ""
		if a.Config.User != b.Config.User && name != s.odoo {
			say("%s: user %q is %q", name, a.Config.User, b.Config.User)
		}
		if a.Config.WorkingDir != b.Config.WorkingDir {
			say("%s: working_dir %q is %q", name, a.Config.WorkingDir, b.Config.WorkingDir)
		}
		x, y := reflect.ValueOf(a.HostConfig), reflect.ValueOf(b.HostConfig)
		for i := range x.NumField() {
			field := x.Type().Field(i).Name
			if named = ""; field == "NetworkMode" {
				named = "network_mode"
			}
			switch {
			case field == "Binds" || field == "PortBindings" || x.Field(i).IsZero() || reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()):
			case x.Field(i).Kind() == reflect.Slice && contains(y.Field(i), x.Field(i)):
			case field == "ShmSize" && b.HostConfig.ShmSize > a.HostConfig.ShmSize:
			case field == "RestartPolicy" && (a.HostConfig.RestartPolicy.Name == "no" || a.HostConfig.RestartPolicy.Name == ""):
			case field == "NetworkMode" && a.HostConfig.NetworkMode != "host":
			default:
				say("%s: %s was %v and is %v", name, field, x.Field(i), y.Field(i))
			}
		}
	}
	return lost
}

// contains: nothing of some is missing in all.
func contains(all, some reflect.Value) bool {
	for i := range some.Len() {
		found := false
		for j := range all.Len() {
			found = found || reflect.DeepEqual(all.Index(j).Interface(), some.Index(i).Interface())
		}
		if !found {
			return false
		}
	}
	return true
}

func dataOfOdoo(path string) bool {
	return strings.HasPrefix(path, "/var/lib/odoo") || strings.HasPrefix(path, "/home/odoo/.local")
}
