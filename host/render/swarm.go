package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/yamlnode"
	"github.com/odpm/odpm/shared/handoff"
)

// SwarmInput is the project's compose document, from which the stack is made.
type SwarmInput struct {
	Project project.Project
	// Compose is docker-compose.yml as odpm writes it.
	Compose []byte
	// Conf is odoo.conf, Handoff checker.json, as a run writes them.
	Conf, Handoff []byte
	// PasswordInFile: odoo.conf has Odoo's password.
	PasswordInFile bool
}

// SwarmOptions are what a project does not say.
type SwarmOptions struct {
	// Node is the host name of the node with the data directory.
	Node     string
	Replicas int
	// Image is Odoo's; "" is that of the compose document.
	Image string
	// Overrides are the person's compose files beside it, by their names.
	Overrides []string
}

// swarm is one rendering.
type swarm struct {
	SwarmInput
	o     SwarmOptions
	notes []string
	binds []string
}

// Swarm makes a stack file of the compose document: what Swarm does otherwise
// than compose is changed, everything else stays as it is.
func Swarm(in SwarmInput, o SwarmOptions) (*Result, error) {
	s := &swarm{SwarmInput: in, o: o}
	switch {
	case o.Node == "":
		return nil, &OptionError{"--node", "expected the host name of the node with the data directory (see: docker node ls)"}
	case o.Replicas < 1 || o.Replicas > 1000:
		return nil, &OptionError{"--replicas", "expected 1 to 1000"}
	case in.Compose == nil:
		return nil, fmt.Errorf("ODPM_COMPOSE=keep: the compose file is not odpm's, so no stack is made of it")
	case !in.PasswordInFile:
		return nil, fmt.Errorf("Odoo's password is not in odoo.conf but in .env, and Swarm gives secrets as files: write db_password into odoo.conf, then run: odpm --skip-start")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(in.Compose, &doc); err != nil {
		return nil, err
	}
	top := doc.Content[0]
	remove(top, "name")
	services := yamlnode.Get(top, "services")
	for i := 0; i+1 < len(services.Content); i += 2 {
		if err := s.service(services.Content[i].Value, services.Content[i+1]); err != nil {
			return nil, err
		}
	}
	if err := s.files(top); err != nil {
		return nil, err
	}
	// The one-off run below joins it.
	network, err := node(obj{"default", obj{"driver", "overlay", "attachable", true}})
	if err != nil {
		return nil, err
	}
	yamlnode.Set(top, "networks", network)
	if len(o.Overrides) > 0 {
		s.note("what %s changes is yours and not in the stack file: docker stack deploy takes it as well, as the first lines of the file say", strings.Join(o.Overrides, " and "))
	} else {
		// Docker before 25 wants a version; with several files it wants the same in each.
		version, err := node("3.8")
		if err != nil {
			return nil, err
		}
		top.Content = append([]*yaml.Node{yamlnode.Scalar("version"), version}, top.Content...)
	}
	doc.HeadComment, top.HeadComment = "", ""
	if len(top.Content) > 2 {
		top.Content[2].HeadComment = ""
	}
	var b bytes.Buffer
	b.WriteString(s.head(services))
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(top); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return &Result{YAML: b.Bytes(), Notes: s.notes, Binds: s.binds}, nil
}

func (s *swarm) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// service changes one.
func (s *swarm) service(name string, svc *yaml.Node) error {
	postgres, odoo := name == s.Project.ServiceName && !s.Project.External, name == s.Project.OdooServiceName
	if build := yamlnode.Get(svc, "build"); build != nil {
		return fmt.Errorf("service %s has build, which docker stack deploy ignores: build the image, push it, and name it with image", name)
	}
	if depends := yamlnode.Get(svc, "depends_on"); depends != nil && depends.Kind == yaml.MappingNode {
		// Swarm takes a list alone, and waits for nothing: the checker does.
		names := &yaml.Node{Kind: yaml.SequenceNode}
		for i := 0; i < len(depends.Content); i += 2 {
			names.Content = append(names.Content, yamlnode.Scalar(depends.Content[i].Value))
		}
		*depends = *names
	}
	if profiles := yamlnode.Get(svc, "profiles"); profiles != nil {
		s.note("service %s is started without its profile: Swarm has none", name)
	}
	for _, key := range []string{"restart", "container_name", "profiles"} {
		remove(svc, key)
	}
	s.envFiles(svc, odoo)
	s.ports(name, svc, postgres, odoo)
	s.volumes(svc, odoo)
	if shm := yamlnode.Get(svc, "shm_size"); shm != nil {
		// Swarm knows no shm_size; PostgreSQL's parallel queries need the room.
		remove(svc, "shm_size")
		add(svc, "volumes", obj{"type", "tmpfs", "target", "/dev/shm", "tmpfs", obj{"size", 1 << 30}})
	}
	if odoo {
		if s.o.Image != "" {
			yamlnode.Set(svc, "image", yamlnode.Scalar(s.o.Image))
		} else if image := yamlnode.Get(svc, "image"); image != nil && strings.HasPrefix(image.Value, "odpm/") {
			s.note("%s was built on this machine, so docker stack deploy needs --resolve-image never, or push it to a registry and name it: --image", image.Value)
		}
		add(svc, "secrets", obj{"source", "odoo_conf", "target", compose.OdooConfTarget, "mode", octal(0o444)})
		add(svc, "configs", obj{"source", "handoff", "target", handoff.RuntimeDir + "/" + handoff.FileName, "mode", octal(0o444)})
	}
	deploy, err := s.deploy(svc, odoo)
	if err != nil {
		return err
	}
	yamlnode.Set(svc, "deploy", deploy)
	return nil
}

// envFiles: docker stack deploy reads them itself, as a list of paths. Odoo's own has
// the password, which is in odoo.conf here.
func (s *swarm) envFiles(svc *yaml.Node, odoo bool) {
	files := yamlnode.Get(svc, "env_file")
	if files == nil {
		return
	}
	items := files.Content
	if files.Kind == yaml.ScalarNode {
		items = []*yaml.Node{files}
	}
	kept := &yaml.Node{Kind: yaml.SequenceNode}
	for _, item := range items {
		path, optional := item.Value, false
		if item.Kind == yaml.MappingNode {
			path = yamlnode.Get(item, "path").Value
			required := yamlnode.Get(item, "required")
			optional = required != nil && required.Value == "false"
		}
		at := s.absolute(path)
		if odoo && strings.HasPrefix(path, "./.odpm/") {
			continue
		}
		if optional {
			s.note("%s may be missing for docker compose, and docker stack deploy needs it: create it, empty if need be", path)
		}
		kept.Content = append(kept.Content, yamlnode.Scalar(at))
	}
	remove(svc, "env_file")
	if len(kept.Content) > 0 {
		yamlnode.Set(svc, "env_file", kept)
	}
}

// ports: a stack's are published on every node's every address, whatever
// address is given. So PostgreSQL's are not, nor what was for this machine alone.
func (s *swarm) ports(name string, svc *yaml.Node, postgres, odoo bool) {
	ports := yamlnode.Get(svc, "ports")
	if ports == nil {
		return
	}
	if postgres {
		s.note("PostgreSQL is not published: Swarm would publish it on every address of every node")
		remove(svc, "ports")
		return
	}
	kept := &yaml.Node{Kind: yaml.SequenceNode}
	for _, p := range ports.Content {
		words := strings.Split(p.Value, ":")
		if p.Kind != yaml.ScalarNode || len(words) < 2 {
			kept.Content = append(kept.Content, p)
			continue
		}
		bind := strings.Join(words[:len(words)-2], ":")
		if bind == "" || odoo {
			kept.Content = append(kept.Content, &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: strings.Join(words[len(words)-2:], ":")})
			if bind != "" {
				s.note("port %s of Odoo was for %s alone; Swarm publishes it on every address of every node", words[len(words)-2], bind)
			}
			continue
		}
		s.note("port %s of %s is for %s alone, which Swarm cannot do, so it is not published", words[len(words)-2], name, bind)
	}
	if *ports = *kept; len(kept.Content) == 0 {
		remove(svc, "ports")
	}
}

// volumes: paths are absolute, since a stack has no directory. odoo.conf and
// the hand-off come as secret and config.
func (s *swarm) volumes(svc *yaml.Node, odoo bool) {
	volumes := yamlnode.Get(svc, "volumes")
	if volumes == nil {
		return
	}
	kept := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range volumes.Content {
		remove(v, "bind")
		target := yamlnode.Get(v, "target")
		if odoo && target != nil && (target.Value == compose.OdooConfTarget || target.Value == handoff.RuntimeDir) {
			continue
		}
		if kind, source := yamlnode.Get(v, "type"), yamlnode.Get(v, "source"); kind != nil && kind.Value == "bind" && source != nil {
			source.Value = s.absolute(source.Value)
			s.binds = append(s.binds, unescaped(source.Value))
		}
		kept.Content = append(kept.Content, v)
	}
	*volumes = *kept
}

func (s *swarm) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	// What compose interpolates is the path's own by now.
	return strings.ReplaceAll(s.Project.Dir, "$", "$$") + "/" + strings.TrimPrefix(path, "./")
}

// files adds what is handed out as secrets and configs. Neither can be changed
// once it is made, so the content is in the name.
func (s *swarm) files(top *yaml.Node) error {
	name := func(what string, content []byte) string {
		sum := sha256.Sum256(content)
		return s.Project.Name + "_" + what + "_" + hex.EncodeToString(sum[:6])
	}
	if secrets := yamlnode.Get(top, "secrets"); secrets != nil {
		for i := 1; i < len(secrets.Content); i += 2 {
			if file := yamlnode.Get(secrets.Content[i], "file"); file != nil {
				file.Value = s.absolute(file.Value)
			}
		}
	}
	for _, f := range []struct {
		section, key, file string
		content            []byte
	}{
		{"secrets", "odoo_conf", s.conf(), s.Conf},
		{"configs", "handoff", s.Project.Dir + "/" + handoff.HostRuntimeDir + "/" + handoff.FileName, s.Handoff},
	} {
		n, err := node(obj{"name", name(f.key, f.content), "file", strings.ReplaceAll(f.file, "$", "$$")})
		if err != nil {
			return err
		}
		section := yamlnode.Get(top, f.section)
		if section == nil {
			section = &yaml.Node{Kind: yaml.MappingNode}
			yamlnode.Set(top, f.section, section)
			section = yamlnode.Get(top, f.section)
		}
		yamlnode.Set(section, f.key, n)
	}
	return nil
}

// conf is odoo.conf on this machine.
func (s *swarm) conf() string {
	if s.Project.OdooConfPath != "" {
		return s.Project.OdooConfPath
	}
	return s.Project.Dir + "/odoo.conf"
}

// octal is a file's mode.
type octal int

func (o octal) node() *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: "0" + strconv.FormatInt(int64(o), 8)}
}

func remove(mapping *yaml.Node, key string) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content = append(mapping.Content[:i], mapping.Content[i+2:]...)
			return
		}
	}
}

// add puts an item behind a list, which is made where there is none.
func add(mapping *yaml.Node, key string, item obj) {
	n, err := node(item)
	if err != nil {
		return
	}
	seq := yamlnode.Get(mapping, key)
	if seq == nil {
		yamlnode.Set(mapping, key, &yaml.Node{Kind: yaml.SequenceNode})
		seq = yamlnode.Get(mapping, key)
	}
	seq.Content = append(seq.Content, n)
}
