package foreign

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
)

// movePort follows PostgreSQL to the port where odpm's document has it. What names it
// together with its host (wait-for-it.sh db:7080) is changed: such a script would wait
// for ever. A port alone may be another one, and is named.
func (d *differ) movePort() {
	if !d.portMoves() {
		return
	}
	old := strconv.Itoa(d.Postgres.ContainerPort)
	alone := regexp.MustCompile(`(^|[^0-9.])` + old + `($|[^0-9.])`)
	for name, service := range yamlnode.Pairs(mapping(d.out.doc, "services")) {
		theirs := name
		if name == d.p.OdooServiceName && d.Odoo != nil {
			theirs = d.Odoo.Service
		}
		if name == d.p.ServiceName || service.Kind != yaml.MappingNode {
			continue
		}
		var said []string
		for key, n := range yamlnode.Pairs(service) {
			if slices.Contains([]string{"ports", "expose", "volumes", "labels", "image"}, key) {
				continue
			}
			scalars(n, func(s *yaml.Node) {
				s.Value = d.atPort(theirs, s.Value)
				if alone.MatchString(s.Value) && !slices.Contains(said, key) {
					said = append(said, key)
				}
			})
		}
		slices.Sort(said)
		for _, key := range said {
			d.problem(Problem{Code: "port_moved", Message: fmt.Sprintf("services.%s.%s has %s, the port where PostgreSQL listened; now it listens on %d on the compose network", name, key, old, compose.PostgresPort),
				Way: "if PostgreSQL's is meant, correct it in " + compose.OverrideName})
		}
	}
}

func (d *differ) portMoves() bool {
	return d.Postgres != nil && !d.p.External && d.Postgres.ContainerPort != compose.PostgresPort
}

// atPort is a text of a service with PostgreSQL's address as it is now.
func (d *differ) atPort(service, text string) string {
	if !d.portMoves() {
		return text
	}
	address := regexp.MustCompile(`([A-Za-z0-9_.-]+):` + strconv.Itoa(d.Postgres.ContainerPort) + `\b`)
	return address.ReplaceAllStringFunc(text, func(found string) string {
		host := address.FindStringSubmatch(found)[1]
		if ServiceOf(d.Doc, service, host) != d.Postgres.Service {
			return found
		}
		return host + ":" + strconv.Itoa(compose.PostgresPort)
	})
}

// wordsAtPort is the same for a command.
func (d *differ) wordsAtPort(service string, words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		out[i] = d.atPort(service, w)
	}
	return out
}

// scalars visits every value of a node.
func scalars(n *yaml.Node, visit func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode {
		visit(n)
	}
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			scalars(c, visit)
		}
	}
}
