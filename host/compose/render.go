package compose

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/yamlnode"
)

// marker is what makes a compose file ours. It stands on the first line, and
// nothing else about that line is looked at.
const marker = "odpm:generated"

const header = `# ` + marker + ` — written by odpm, which overwrites changes made here.
# What a project adds goes into docker-compose.override.yml or into
# "services" in odpm.json. To see what odpm would write: odpm plan --plan-show-diff
`

// IsOurs tells whether odpm wrote a compose file. Only leading comments count:
// the marker further down may be a person's quotation.
func IsOurs(content []byte) bool {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '#' {
			return false
		}
		if bytes.HasPrefix(bytes.TrimLeft(line, "# "), []byte(marker)) {
			return true
		}
	}
	return false
}

// node turns the document into YAML nodes, with compose's interpolation
// switched off for every value and in the forms people write by hand.
func node(doc *types.Project) (*yaml.Node, error) {
	ports := map[string][]types.ServicePortConfig{}
	services := types.Services{}
	for name, svc := range doc.Services {
		ports[name] = svc.Ports
		svc.Ports = nil
		services[name] = svc
	}
	copied := *doc
	copied.Services = services

	text, err := copied.MarshalYAML()
	if err != nil {
		return nil, fmt.Errorf("compose document: %w", err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("compose document: %w", err)
	}
	top := root.Content[0]
	for name, svc := range yamlnode.Pairs(yamlnode.Get(top, "services")) {
		if seq := shortPorts(ports[name]); len(seq.Content) > 0 {
			yamlnode.Set(svc, "ports", seq)
		}
		if shm := yamlnode.Get(svc, "shm_size"); shm != nil && shm.Value == "1073741824" {
			*shm = yaml.Node{Kind: yaml.ScalarNode, Value: "1g"}
		}
		for _, list := range []*yaml.Node{yamlnode.Get(svc, "entrypoint"), yamlnode.Get(svc, "command"), yamlnode.Get(yamlnode.Get(svc, "healthcheck"), "test")} {
			if list != nil {
				list.Style = yaml.FlowStyle
			}
		}
		if user := yamlnode.Get(svc, "user"); user != nil {
			user.Style = yaml.DoubleQuotedStyle
		}
		inSeconds(yamlnode.Get(svc, "stop_grace_period"))
		inSeconds(yamlnode.Get(yamlnode.Get(svc, "healthcheck"), "start_period"))
		yamlnode.Order(yamlnode.Get(svc, "healthcheck"), "test", "interval", "timeout", "retries", "start_period")
		yamlnode.Order(svc, "image", "user", "entrypoint", "command", "restart", "depends_on", "env_file", "environment",
			"secrets", "extra_hosts", "ports", "volumes", "healthcheck", "stop_grace_period", "shm_size")
	}
	yamlnode.Order(top, "name", "services", "volumes", "secrets")
	Escape(top)
	return top, nil
}

// shortPorts writes BIND:PUBLISHED:TARGET. Docker reads an IPv6 address in
// brackets only.
func shortPorts(ports []types.ServicePortConfig) *yaml.Node {
	seq := &yaml.Node{Kind: yaml.SequenceNode}
	for _, p := range ports {
		text := fmt.Sprintf("%s:%d", p.Published, p.Target)
		if ip := p.HostIP; ip != "" {
			if strings.Contains(ip, ":") && !strings.HasPrefix(ip, "[") {
				ip = "[" + ip + "]"
			}
			text = ip + ":" + text
		}
		// Quoted: an unquoted 22:22 is a number in base 60 to YAML 1.1.
		seq.Content = append(seq.Content, &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: text})
	}
	return seq
}

// Escape makes every value survive compose's interpolation. Keys are not
// interpolated.
func Escape(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if strings.Contains(n.Value, "$") {
			n.Value = strings.ReplaceAll(n.Value, "$", "$$")
		}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			Escape(n.Content[i])
		}
	default:
		for _, c := range n.Content {
			Escape(c)
		}
	}
}

// inSeconds writes Go's "2m0s" as people do.
func inSeconds(n *yaml.Node) {
	if n == nil {
		return
	}
	if d, err := time.ParseDuration(n.Value); err == nil && d%time.Second == 0 {
		n.Value = itoa(int(d/time.Second)) + "s"
	}
}

func render(root *yaml.Node) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteString(header)
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("compose document: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("compose document: %w", err)
	}
	return buf.Bytes(), nil
}
