package render

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/shell"
)

// head are the commands that belong to the stack, as they can be typed.
func (s *swarm) head(services *yaml.Node) string {
	stack, odoo, db := s.Project.Name, s.Project.OdooServiceName, s.Project.ServiceName
	svc := yamlnode.Get(services, odoo)
	deploy := "docker stack deploy --resolve-image never -c FILE"
	for _, name := range s.o.Overrides {
		deploy += " -c " + shell.Quote(name)
	}
	deploy += " " + stack
	lines := []string{
		"Written by: odpm render swarm. Save it as FILE. On the node with the data, a manager of the swarm:",
		"  docker compose -p " + stack + " down",
		"  " + deploy,
		"The same command updates the stack. Replicas of Odoo are replaced one by one, and one that ends within " + monitor + " rolls the update back:",
		fmt.Sprintf("  docker service inspect -f '{{with .UpdateStatus}}{{.State}}: {{.Message}}{{end}}' %s_%s", stack, odoo),
		"Install or update MODULES in the database NAME, while no other Odoo works on it. An image whose modules need it, as a new",
		"major version of Odoo does, must not run beside the old one: write FILE for the new image, and deploy it as the last command here.",
		fmt.Sprintf("  docker service scale %s_%s=0", stack, odoo),
	}
	if len(s.o.Overrides) > 0 {
		lines = append(lines, "Add to this what "+strings.Join(s.o.Overrides, " and ")+" changes in "+odoo+":")
	}
	command, data := s.oneOff(svc)
	lines = append(lines,
		"  "+command+" -d NAME -u MODULES --stop-after-init --no-http",
		"  "+deploy,
	)
	if !s.Project.External {
		lines = append(lines, "Back up the database NAME and its files:",
			fmt.Sprintf("  docker exec $(docker ps -q -f label=com.docker.swarm.service.name=%s_%s) pg_dump -U postgres -Fc -d NAME > NAME.dump", stack, db),
			"  tar -C "+shell.Quote(data)+" -czf NAME-filestore.tar.gz filestore/NAME")
	}
	return "# " + strings.Join(lines, "\n# ") + "\n"
}

// oneOff runs Odoo beside the stack, once; data is its data directory.
func (s *swarm) oneOff(svc *yaml.Node) (command, data string) {
	run := []string{"docker", "run", "--rm", "--network", s.Project.Name + "_default"}
	if user := yamlnode.Get(svc, "user"); user != nil {
		run = append(run, "--user", user.Value)
	}
	if env := yamlnode.Get(svc, "environment"); env != nil {
		for i := 0; i+1 < len(env.Content); i += 2 {
			if name := env.Content[i].Value; name != handoff.EnvID {
				run = append(run, "-e", shell.Quote(name+"="+unescaped(env.Content[i+1].Value)))
			}
		}
	}
	run = append(run, "-v", shell.Quote(s.conf()+":"+compose.OdooConfTarget+":ro"))
	for _, v := range yamlnode.Get(svc, "volumes").Content {
		source, target := yamlnode.Get(v, "source"), yamlnode.Get(v, "target")
		if source == nil || target == nil || target.Value == handoff.DatabaseDir {
			continue
		}
		run = append(run, "-v", shell.Quote(unescaped(source.Value)+":"+target.Value))
		if target.Value == compose.OdooDataTarget {
			data = unescaped(source.Value)
		}
	}
	run = append(run, yamlnode.Get(svc, "image").Value)
	if command := yamlnode.Get(svc, "command"); command != nil {
		for _, word := range command.Content {
			run = append(run, shell.Quote(unescaped(word.Value)))
		}
	}
	return strings.Join(run, " "), data
}

// unescaped is a value as compose's interpolation leaves it.
func unescaped(text string) string { return strings.ReplaceAll(text, "$$", "$") }
