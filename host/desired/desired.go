// Package desired is what should be there: the files of a run, the image, the
// stack, and what the next login is to prove. It is pure: a project and a world
// in, a value out.
package desired

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/snapshot"
)

// Desired are the files as a run wants them, and what follows from them.
type Desired struct {
	// Observed is the present as it is compared with the snapshot; Drifts are the
	// differences.
	Observed state.Observed
	Drifts   []drift.Drift

	// Conf is odoo.conf with db_host repaired, Parsed the same read. ConfChange
	// says why it changes, "" if it does not.
	Conf       []byte
	ConfChange string
	Parsed     *odooconf.File
	// ForeignHost is odoo.conf's db_host where that means a server of somebody
	// else's, with its line; nothing is repaired then.
	ForeignHost     string
	ForeignHostLine int

	Handoff *handoff.Handoff
	// HandoffBytes is checker.json.
	HandoffBytes []byte
	// PasswordEnv is .odpm/state/odoo.env, nil where odoo.conf has the password.
	PasswordEnv []byte

	Image Image
	// Spec is what Compose, docker-compose.yml, is made of. With ODPM_COMPOSE=keep
	// Compose is the overlay, and nothing in Spec but the user and Odoo's command
	// counts. Judge is the same for compose to judge before the files that it names
	// are there.
	Spec           compose.Spec
	Compose, Judge []byte

	Warnings []string
}

// Make derives it.
func Make(in *inputs.Inputs, w *world.World) (*Desired, error) {
	d := &Desired{Observed: observe(in, w)}
	d.Drifts = drift.Compare(d.Observed, w.Snapshot, func(string, string) bool { return w.SameData })
	if err := d.conf(in, w); err != nil {
		return nil, err
	}
	if err := d.manifestConf(in); err != nil {
		return nil, err
	}
	if err := d.imageConf(in, w); err != nil {
		return nil, err
	}
	p := *in.Project
	p.OdooConf = d.Parsed
	cand := d.Candidate(in)
	id, err := handoff.Identify(&cand, d.Conf)
	if err != nil {
		return nil, err
	}
	d.Handoff = &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: cand, OdooMajor: p.OdooMajor}
	if d.HandoffBytes, err = d.Handoff.Encode(); err != nil {
		return nil, err
	}
	if _, inConf := d.Parsed.Value("db_password", p.OdooMajor); !inConf && in.Kept == nil {
		if d.PasswordEnv, err = compose.PasswordEnv(p.AppPassword); err != nil {
			return nil, err
		}
	}
	d.Image = image(in, w, d.Parsed)
	if script := d.Image.Ignores; script != "" {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s in the image %s starts Odoo without its arguments (\"$@\"): a command of the service, and --data-dir in it, have no effect, and odpm -d NAME -i cannot install modules", script, in.Project.OdooImage))
	}
	if p.KeepCompose {
		return d, d.overlay(in, w)
	}
	d.Warnings = append(d.Warnings, compose.ServiceWarnings(p)...)
	d.Spec = compose.Spec{
		Project: p, OdooImage: d.Image.Ref, Entrypoint: d.Image.Entrypoint, Command: d.Image.Command,
		HandoffID: id, PostgresPasswordFile: in.Dirs.SecretPath(state.BootstrapSecret), ImagePGData: w.PGData,
	}
	d.Spec.HTTPPort, d.Spec.GeventPort = in.Listens()
	// What Odoo writes into mounts belongs to the person.
	d.Spec.User = w.Person()
	if d.PasswordEnv != nil {
		d.Spec.OdooEnvFile = in.Dirs.SecretPath(state.OdooEnvFile)
	}
	if d.Compose, err = compose.Build(d.Spec); err != nil {
		return nil, err
	}
	d.Judge = d.Compose
	if d.PasswordEnv != nil && w.Files.PasswordEnv == nil {
		early := d.Spec
		early.OdooEnvMissing = true
		if d.Judge, err = compose.Build(early); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// observe says what the project's files, its data directory and the running
// server look like today, with unknown kept apart from false.
func observe(in *inputs.Inputs, w *world.World) state.Observed {
	o := state.Observe(in.Project, w.Disk)
	o.EngineAsked = w.Asked
	o.HostMeans = in.ServiceOf(o.Candidate.OdooConf.DBHost)
	switch {
	case w.EngineErr != nil:
		o.EngineError = w.EngineErr.Error()
	case w.DiskErr != nil:
		o.EngineError = w.DiskErr.Error()
	}
	if w.Asked {
		o.Running, o.Ready = &w.Status.Running, &w.Status.Ready
	}
	f := w.Server
	if f == nil {
		return o
	}
	c := &o.Candidate.Cluster
	if f.AppRolePresent != nil {
		o.AppRolePresent, c.AppRolePresent = f.AppRolePresent, f.AppRolePresent
	}
	if f.SystemIdentifier != "" {
		o.SystemIdentifier, c.SystemIdentifier = f.SystemIdentifier, f.SystemIdentifier
	}
	if f.Major != 0 {
		c.PGMajor, c.DataDirNonempty = f.Major, true
		if o.Data.State == datadir.Unknown {
			// A running server has told what the host may not read.
			o.Data.Major = f.Major
		}
	}
	return o
}

// Candidate is what the next login is to prove: the project of today with
// odoo.conf as it will be.
func (d *Desired) Candidate(in *inputs.Inputs) snapshot.Snapshot {
	c := *d.Observed.Candidate.Clone()
	if d.Parsed != nil {
		c.OdooConf.DBHost, _ = d.Parsed.Value("db_host", in.Project.OdooMajor)
		if n, ok, err := d.Parsed.Int("db_port", in.Project.OdooMajor); ok && err == nil {
			c.OdooConf.DBPort = n
		}
	}
	c.Cluster.DataDirNonempty = true
	return c
}

// conf repairs odoo.conf: db_host where it cannot work on the compose network,
// db_port and db_user where they are missing. Every other line stays byte for
// byte.
func (d *Desired) conf(in *inputs.Inputs, w *world.World) (err error) {
	p := in.Project
	if in.KeptConf != nil {
		d.Conf, d.Parsed = in.KeptConf, p.OdooConf
		return nil
	}
	d.Conf = w.Files.Conf
	if d.Conf == nil {
		d.Conf = []byte("[options]\n")
		d.ConfChange = "there is no " + in.Rel(p.OdooConfPath)
	}
	set := func(key, value string) error {
		f, err := odooconf.Parse(d.Conf)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Rel(p.OdooConfPath), err)
		}
		d.Conf, err = f.Set(key, value)
		return err
	}
	f, err := odooconf.Parse(d.Conf)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Rel(p.OdooConfPath), err)
	}
	d.Parsed = f
	if p.External {
		return d.externalRole(in, f)
	}
	host, _ := f.Value("db_host", p.OdooMajor)
	means := in.ServiceOf(host)
	if host == "" && in.Kept != nil {
		// What the service tells Odoo counts then, and odoo.conf will say the same.
		if said := in.ServiceOf(in.Kept.Odoo.Host); said != "" && said != p.ServiceName {
			return d.between(in, f)
		}
	}
	if means == "" {
		if foreignHost(host, w.Snapshot) {
			d.ForeignHost, d.ForeignHostLine = host, f.Line("db_host")
			return nil
		}
		if err := set("db_host", p.ServiceName); err != nil {
			return err
		}
		if d.ConfChange == "" {
			d.ConfChange = fmt.Sprintf("db_host %s -> %s", wording.OrUnset(host), p.ServiceName)
		}
	}
	for _, o := range []struct{ key, value string }{{"db_port", strconv.Itoa(in.ContainerPort())}, {"db_user", p.AppRole}} {
		if _, ok := f.Value(o.key, p.OdooMajor); ok {
			continue
		}
		if err := set(o.key, o.value); err != nil {
			return err
		}
		if d.ConfChange == "" {
			d.ConfChange = o.key + " is not set"
		}
	}
	if n, ok, err := f.Int("db_port", p.OdooMajor); ok && err == nil && n != in.ContainerPort() && (means == "" || means == p.ServiceName) {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s:%d: db_port is %d, but PostgreSQL listens on %d inside the compose network; POSTGRES_PORT (%d) is only the port on this machine",
			in.Rel(p.OdooConfPath), f.Line("db_port"), n, in.ContainerPort(), p.PostgresPort))
	}
	d.Parsed, err = odooconf.Parse(d.Conf)
	return err
}

// between writes into odoo.conf what a kept file tells Odoo otherwise: that a service
// such as a pooler stands between it and PostgreSQL.
func (d *Desired) between(in *inputs.Inputs, f *odooconf.File) error {
	said, port := in.Kept.Odoo, strconv.Itoa(compose.PostgresPort)
	if said.DBPort != 0 {
		port = strconv.Itoa(said.DBPort)
	}
	d.ConfChange = "db_host (not set) -> " + said.Host + ", as service " + said.Service + " has it"
	for _, o := range [][2]string{{"db_host", said.Host}, {"db_port", port}, {"db_user", in.Project.AppRole}} {
		if v, ok := f.Value(o[0], in.Project.OdooMajor); ok && v != "" {
			continue
		}
		var err error
		if d.Conf, err = f.Set(o[0], o[1]); err != nil {
			return err
		}
		if f, err = odooconf.Parse(d.Conf); err != nil {
			return err
		}
	}
	d.Parsed = f
	return nil
}

// manifestConf is what odpm.json and user_settings.json say of odoo.conf: an
// option that is not set there, and the master password, also in the place of a
// sentence that Python odpm writes for it.
func (d *Desired) manifestConf(in *inputs.Inputs) error {
	p := in.Project
	if in.Kept != nil {
		return nil
	}
	want := map[string]string{}
	for key, value := range p.ConfOptions {
		want[key] = value
	}
	if err := p.Settings.ManagerPasswordUnset; err != nil {
		d.Warnings = append(d.Warnings, err.Error())
	}
	if have, ok := d.Parsed.Value("addons_path", p.OdooMajor); ok && project.Placeholder(have) {
		want["addons_path"] = strings.Join(in.AddonsMounts(), ",")
	}
	if p.Settings.ManagerPassword != "" {
		want["admin_passwd"] = p.Settings.ManagerPassword
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		f, err := odooconf.Parse(d.Conf)
		if err != nil {
			return err
		}
		if have, ok := f.Value(key, p.OdooMajor); ok && !project.Placeholder(have) {
			if have != want[key] && key != "admin_passwd" {
				d.Warnings = append(d.Warnings, fmt.Sprintf("%s:%d: %s is %s, and odpm.json's odoo_conf.options say %s; odoo.conf wins", in.Rel(p.OdooConfPath), f.Line(key), key, have, want[key]))
			}
			continue
		}
		if d.Conf, err = f.Set(key, want[key]); err != nil {
			return err
		}
		if d.ConfChange == "" {
			d.ConfChange = key + " is not set"
		}
	}
	var err error
	d.Parsed, err = odooconf.Parse(d.Conf)
	return err
}

// imageConf takes over what the image's own odoo.conf says and the project's
// hides: all of it where there is none yet, and the way to addons/ where that is
// mounted. Without it "-i my_module" finds no module of the person's.
func (d *Desired) imageConf(in *inputs.Inputs, w *world.World) error {
	if in.Kept != nil || w.OdooImage == nil || w.OdooImage.Conf == "" {
		return nil
	}
	own, err := odooconf.Parse([]byte(w.OdooImage.Conf))
	if err != nil {
		return nil // Odoo would have said so
	}
	for _, key := range own.Keys() {
		value, set := own.Value(key, in.Project.OdooMajor)
		addons := key == "addons_path" && in.Project.AddonsDir != "" && strings.Contains(value, compose.AddonsTarget)
		if _, have := d.Parsed.Value(key, in.Project.OdooMajor); have || !set || strings.HasPrefix(key, "db_") || key == "admin_passwd" || key == "data_dir" ||
			!addons && w.Files.Conf != nil {
			continue
		}
		f, err := odooconf.Parse(d.Conf)
		if err != nil {
			return err
		}
		if d.Conf, err = f.Set(key, value); err != nil {
			return err
		}
		if d.ConfChange == "" {
			d.ConfChange = key + " is not set; the image's own odoo.conf, which is hidden, has " + value
		}
	}
	d.Parsed, err = odooconf.Parse(d.Conf)
	return err
}

// foreignHost tells a db_host that means a server of somebody else's: an
// address, a dotted name, localhost, a socket directory. Unset, the last run's
// service and any other undotted name are repaired, since only the compose
// network could resolve them.
func foreignHost(host string, last *snapshot.Snapshot) bool {
	switch {
	case host == "", last != nil && host == last.Compose.ServiceName:
		return false
	case host == "localhost", net.ParseIP(strings.Trim(host, "[]")) != nil:
		return true
	}
	return strings.ContainsAny(host, "./:,")
}

// Changed compares a file that is there (nil: none) with the wanted bytes.
func Changed(is, want []byte) bool { return is == nil || !bytes.Equal(is, want) }

// ComposeChanges tells whether docker-compose.yml would be written.
func (d *Desired) ComposeChanges(w *world.World) bool {
	return d.Compose != nil && (Changed(w.Files.Compose.Bytes, d.Compose) || len(w.Files.Compose.Beside) > 0)
}

// PasswordChanges tells whether odoo.env would be written.
func (d *Desired) PasswordChanges(w *world.World) bool {
	return d.PasswordEnv != nil && Changed(w.Files.PasswordEnv, d.PasswordEnv)
}

// Judged is the candidate for compose's judgement: nil where the files are as
// they will be.
func (d *Desired) Judged(w *world.World) []byte {
	if d.Compose == nil || !Changed(w.Files.Compose.Bytes, d.Compose) && !d.PasswordChanges(w) {
		return nil
	}
	return d.Judge
}

// Missing tells whether a directory or file that a run makes is not there.
func Missing(w *world.World, path string) bool { return slices.Contains(w.Files.Missing, path) }
