package foreign

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
)

// override is docker-compose.override.yml as it grows.
type override struct {
	doc *yaml.Node
	new bool
	err error
}

func newOverride(existing []byte) *override {
	var doc yaml.Node
	if len(bytes.TrimSpace(existing)) > 0 {
		if err := yaml.Unmarshal(existing, &doc); err != nil {
			return &override{err: fmt.Errorf("%s: %w", compose.OverrideName, err)}
		}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return &override{doc: &yaml.Node{Kind: yaml.MappingNode}, new: true}
	}
	return &override{doc: doc.Content[0]}
}

func mapping(parent *yaml.Node, key string) *yaml.Node {
	if n := yamlnode.Get(parent, key); n != nil && n.Kind == yaml.MappingNode {
		return n
	}
	yamlnode.Set(parent, key, &yaml.Node{Kind: yaml.MappingNode})
	return yamlnode.Get(parent, key)
}

func (o *override) at(service string) *yaml.Node {
	return mapping(mapping(o.doc, "services"), service)
}

func (o *override) set(service, key string, n *yaml.Node) { yamlnode.Set(o.at(service), key, n) }

// service takes a whole service, with the comment that stood above it.
func (o *override) service(name string, n *yaml.Node) {
	services := mapping(o.doc, "services")
	comment := n.HeadComment
	n.HeadComment = ""
	yamlnode.Set(services, name, n)
	for i := 0; i+1 < len(services.Content); i += 2 {
		if services.Content[i].Value == name {
			services.Content[i].HeadComment = comment
		}
	}
}

// setIn adds to a mapping, also where the file has it as a list of KEY=VALUE.
func (o *override) setIn(service, key, name string, v *yaml.Node) {
	if list := yamlnode.Get(o.at(service), key); list != nil && list.Kind == yaml.SequenceNode {
		text := name
		if v.Tag != "!!null" {
			text += "=" + v.Value
		}
		list.Content = append(list.Content, quoted(text))
		return
	}
	yamlnode.Set(mapping(o.at(service), key), name, v)
}

func (o *override) add(service, key string, items ...*yaml.Node) {
	list := yamlnode.Get(o.at(service), key)
	if list == nil || list.Kind != yaml.SequenceNode {
		yamlnode.Set(o.at(service), key, &yaml.Node{Kind: yaml.SequenceNode})
		list = yamlnode.Get(o.at(service), key)
	}
	list.Content = append(list.Content, items...)
}

func (o *override) render() ([]byte, error) {
	var buf bytes.Buffer
	if o.new {
		buf.WriteString(compose.OverrideHeader)
	}
	spellNulls(o.doc, false)
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(o.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", compose.OverrideName, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", compose.OverrideName, err)
	}
	return buf.Bytes(), nil
}

// spellNulls writes null where nothing stands between braces: {back: , front: } would
// come out with empty texts.
func spellNulls(n *yaml.Node, flow bool) {
	flow = flow || n.Style&yaml.FlowStyle != 0
	if flow && n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "" {
		n.Value = "null"
	}
	for _, c := range n.Content {
		spellNulls(c, flow)
	}
}

func scalar(v string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(v)
	return n
}

func quoted(v string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: v}
}

func words2node(words []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, w := range words {
		n.Content = append(n.Content, quoted(strings.ReplaceAll(w, "$", "$$")))
	}
	return n
}

func drop(m *yaml.Node, key string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content = slices.Delete(m.Content, i, i+2)
			return
		}
	}
}

func sortKeys(m *yaml.Node) {
	var keys []string
	for k := range yamlnode.Pairs(m) {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	yamlnode.Order(m, keys...)
}

// plain is a service as values, for comparison.
func plain(s types.ServiceConfig) (map[string]any, error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, yaml.Unmarshal(text, &out)
}

// sources are the services as their files write them: with comments, variables
// and short forms. Only a service that one file says alone, and that lies where
// the project does, reads the same in an override.
func (f *File) sources(dir string) map[string]*yaml.Node {
	found, seen := map[string]*yaml.Node{}, map[string]int{}
	if f.Dir != dir {
		return nil
	}
	for _, file := range f.Files {
		data, err := compose.ReadFile(file)
		var doc yaml.Node
		if err != nil || yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
			return nil
		}
		services := yamlnode.Get(doc.Content[0], "services")
		for name, s := range yamlnode.Pairs(services) {
			s = expand(s)
			seen[name]++
			found[name] = s
			for i := 0; s != nil && i+1 < len(services.Content); i += 2 {
				if services.Content[i].Value == name {
					s.HeadComment = services.Content[i].HeadComment
				}
			}
			if s == nil || yamlnode.Get(s, "extends") != nil {
				seen[name]++
			}
		}
	}
	maps.DeleteFunc(found, func(name string, _ *yaml.Node) bool { return seen[name] != 1 })
	return found
}

// expand copies a node without anchors, aliases and merge keys, which have no
// meaning in another file; nil where compose's own tags (!reset) are in it.
func expand(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return expand(n.Alias)
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return nil
	}
	c := *n
	c.Anchor, c.Alias, c.Content = "", nil, nil
	if n.Kind != yaml.MappingNode {
		for _, item := range n.Content {
			x := expand(item)
			if x == nil {
				return nil
			}
			c.Content = append(c.Content, x)
		}
		return &c
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := expand(n.Content[i+1])
		if v == nil {
			return nil
		}
		if n.Content[i].Tag == "!!merge" || n.Content[i].Value == "<<" {
			merged = append(merged, v)
			continue
		}
		k := *n.Content[i]
		k.Anchor = ""
		c.Content = append(c.Content, &k, v)
	}
	for _, m := range merged {
		maps := []*yaml.Node{m}
		if m.Kind == yaml.SequenceNode {
			maps = m.Content
		}
		for _, m := range maps {
			for i := 0; i+1 < len(m.Content); i += 2 {
				if yamlnode.Get(&c, m.Content[i].Value) == nil {
					c.Content = append(c.Content, m.Content[i], m.Content[i+1])
				}
			}
		}
	}
	return &c
}

// written is a key of a service as the file writes it, nil where it cannot be
// copied.
func (d *differ) written(service, key string) *yaml.Node { return yamlnode.Get(d.source[service], key) }

// resolvedService is a service as compose resolves it, with what it has by
// reference as that reference, and paths of the project relative again.
func (d *differ) resolvedService(name string) *yaml.Node {
	s := d.Doc.Services[name]
	s.Environment, s.PreStart = d.unresolved.Services[name].Environment, d.unresolved.Services[name].PreStart
	text, err := yaml.Marshal(s)
	if err != nil {
		return nil
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	n := doc.Content[0]
	d.references(n, d.uninterpolated("services", name))
	d.relative(n)
	return n
}

func (d *differ) resolved(service, key string) *yaml.Node {
	return yamlnode.Get(d.resolvedService(service), key)
}

// relative writes a path of this machine as the file does: relative to the project's
// directory where it is below it, or where the file begins with "..".
func (d *differ) relative(n *yaml.Node) {
	if as, ok := d.upward()[n.Value]; ok && n.Kind == yaml.ScalarNode {
		n.Value = as
	} else if n.Kind == yaml.ScalarNode && (n.Value == d.p.Dir || strings.HasPrefix(n.Value, d.p.Dir+string(filepath.Separator))) {
		n.Value = compose.HostPath(d.p.Dir, n.Value)
	}
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			d.relative(c)
		}
	}
}

// upward are the paths that the files begin with "..", by what they mean.
func (d *differ) upward() map[string]string {
	if d.above != nil {
		return d.above
	}
	d.above = map[string]string{}
	for _, file := range d.Files {
		var doc yaml.Node
		data, err := compose.ReadFile(file)
		if err != nil || yaml.Unmarshal(data, &doc) != nil || d.Dir != d.p.Dir {
			continue // it says nothing in their place
		}
		scalars(&doc, func(n *yaml.Node) {
			path, _, _ := strings.Cut(n.Value, ":") // of a mount that is one string
			if path == ".." || strings.HasPrefix(path, "../") {
				d.above[filepath.Join(d.Dir, path)] = path
			}
		})
	}
	return d.above
}

// taken: odpm's own document has another definition under that name.
func (d *differ) taken(section, name string) bool {
	switch section {
	case "volumes":
		return name == d.p.VolumeName && !d.p.External
	case "secrets":
		return name == compose.PostgresSecret && !d.p.External
	}
	return false
}

func (d *differ) renamed(section, name string) string {
	if d.taken(section, name) {
		return "own-" + name
	}
	return name
}

// ownDefault: the network that compose makes anyway has a name or options of the
// file's own.
func (d *differ) ownDefault() bool {
	n, ok := d.Doc.Networks["default"]
	if n.Name == d.Name+"_default" {
		n.Name = d.ours.Networks["default"].Name
	}
	return ok && !reflect.DeepEqual(n, d.ours.Networks["default"])
}

// shared carries the top-level definitions over that are referred to.
func (d *differ) shared() error {
	if d.ownDefault() {
		d.refer("networks", "default")
	}
	copied := *d.Doc
	text, err := copied.MarshalYAML()
	if err != nil {
		return fmt.Errorf("compose document: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("compose document: %w", err)
	}
	for _, section := range slices.Sorted(maps.Keys(d.used)) {
		defs := yamlnode.Get(doc.Content[0], section)
		names := d.used[section]
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			n := yamlnode.Get(defs, name)
			if n == nil || name == "default" && section == "networks" && !d.ownDefault() {
				continue
			}
			d.references(n, d.uninterpolated(section, name))
			if c := yamlnode.Get(n, "content"); c != nil && section == "configs" {
				c.Value = d.rebased(c.Value)
			}
			d.relative(n)
			key := d.renamed(section, name)
			if have := yamlnode.Get(yamlnode.Get(d.out.doc, section), key); have != nil {
				continue
			}
			yamlnode.Set(mapping(d.out.doc, section), key, n)
			d.carried(section + "." + key)
		}
	}
	return nil
}
