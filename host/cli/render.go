package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/render"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

func (a *App) renderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "render", Short: "Write the project as files for Docker Swarm or Kubernetes", Args: a.commandsOnly, RunE: needsCommand,
	}
	cmd.AddCommand(a.swarmCommand(), a.kubernetesCommand())
	return cmd
}

func (a *App) kubernetesCommand() *cobra.Command {
	var o render.KubernetesOptions
	cmd := &cobra.Command{
		Use: "kubernetes", Short: "Write the project as YAML for kubectl apply", Args: none,
		Long: `Write Odoo as a Deployment with its ConfigMap, Service and volume to stdout.
PostgreSQL stays outside: the login comes from a Secret with the keys host, port,
username and password, as CloudNativePG makes it. With --init or --update it is a
Job that works on one database instead. No secret is written, nothing is asked
of a cluster.`,
		Example: `  odpm render kubernetes --namespace shop --secret pg-app --replicas 2 > odoo.yaml
  odpm render kubernetes --secret pg-app --database prod --update sale > update.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.renderKubernetes(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.Namespace, "namespace", "", "the `NAMESPACE` of everything; else that of kubectl's context")
	f.StringVar(&o.Secret, "secret", "odoo-db", "the Secret with the login, by `NAME`")
	f.StringVar(&o.UserKey, "user-key", "username", "the `KEY` of the role in that Secret")
	f.StringVar(&o.CASecret, "ca-secret", "", "a Secret with ca.crt, for db_sslmode = verify-full, by `NAME`")
	f.IntVar(&o.Replicas, "replicas", 1, "run Odoo in `N` pods")
	f.StringVar(&o.Image, "image", "", "Odoo's image, `REF`; else ODOO_IMAGE")
	f.StringVar(&o.CheckerImage, "checker-image", "", "the image with odpm-checker, `REF`; else Odoo's image carries it")
	f.StringVar(&o.Storage, "storage", "10Gi", "the `SIZE` of the file store's volume")
	f.BoolVar(&o.NetworkPolicy, "network-policy", false, "allow incoming connections to Odoo's ports only")
	f.StringVar(&o.Database, "database", "", "with --init or --update: the database `NAME`")
	f.StringVar(&o.Init, "init", "", "a Job that installs these modules, `MODS`")
	f.StringVar(&o.Update, "update", "", "a Job that updates these modules, `MODS`")
	return cmd
}

func (a *App) swarmCommand() *cobra.Command {
	var o render.SwarmOptions
	cmd := &cobra.Command{
		Use: "swarm", Short: "Write the project as a stack file for docker stack deploy", Args: none,
		Long: `Write docker-compose.yml as a stack file to stdout: everything on the node with
the data, PostgreSQL not published, odoo.conf as a secret. Run "odpm --skip-start"
first, so that the files that it names are there.`,
		Example: `  odpm --skip-start
  odpm render swarm > stack.yml
  docker stack deploy --resolve-image never -c stack.yml shop`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			here, _ := os.Hostname()
			o.Node = cmp.Or(o.Node, here)
			return a.render(cmd.Context(), false, func(v *look.View, p project.Project) (*render.Result, error) {
				for _, file := range v.Inputs.ComposeFiles[1:] {
					o.Overrides = append(o.Overrides, v.Inputs.Rel(file))
				}
				_, inFile := v.Desired.Parsed.Value("db_password", p.OdooMajor)
				res, err := render.Swarm(render.SwarmInput{Project: p, Compose: v.Desired.Compose, Conf: v.Desired.Conf, Handoff: v.Desired.HandoffBytes, PasswordInFile: inFile}, o)
				if err != nil {
					return nil, err
				}
				for _, h := range v.World.Holders {
					res.Notes = append(res.Notes, "the data directory is in use by "+h.Kind+" "+h.Name+", and a second server on it would destroy the cluster: stop it before docker stack deploy: "+h.StopCommand)
				}
				switch {
				case v.World.Snapshot == nil && !p.External:
					res.Notes = append(res.Notes, "no login has been proven for this project yet, and docker stack deploy creates neither Odoo's role nor the data directory: run odpm once first")
				case o.Node == here:
					res.Notes = append(res.Notes, missing(res.Binds)...)
				}
				return res, nil
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.Node, "node", "", "the node with the data, by its host `NAME`; else this machine")
	f.IntVar(&o.Replicas, "replicas", 1, "run Odoo in `N` tasks")
	f.StringVar(&o.Image, "image", "", "Odoo's image with the checker, `REF`; else that of docker-compose.yml")
	return cmd
}

// missing are the places that compose makes where they are not there. Swarm refuses a
// container's start instead, again and again, and docker service ps alone says so.
func missing(binds []string) (notes []string) {
	for _, path := range binds {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			notes = append(notes, path+" does not exist, and Swarm does not make it: mkdir -p "+shell.Quote(path))
		}
	}
	return notes
}

func (a *App) renderKubernetes(ctx context.Context, o render.KubernetesOptions) error {
	// What is on this machine is not what runs there.
	return a.render(ctx, true, func(v *look.View, p project.Project) (*render.Result, error) {
		return render.Kubernetes(render.Input{Project: p, Candidate: v.Desired.Candidate(v.Inputs)}, o)
	})
}

// render looks at the project and writes what make makes of it.
func (a *App) render(ctx context.Context, noDocker bool, make func(*look.View, project.Project) (*render.Result, error)) error {
	opts, err := a.options()
	if err != nil {
		return err
	}
	opts.NoDocker = noDocker
	end := a.looking()
	v, err := look.At(asking(ctx), opts.Options)
	end()
	if err != nil {
		return err
	}
	p := *v.Project
	p.OdooConf = v.Desired.Parsed
	res, err := make(v, p)
	var option *render.OptionError
	if errors.As(err, &option) {
		return &ui.Usage{Err: err}
	}
	if err != nil {
		return err
	}
	for _, note := range res.Notes {
		a.term.Warn("%s", note)
	}
	_, err = a.out.Write(res.YAML)
	return err
}
