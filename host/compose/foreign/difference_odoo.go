package foreign

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/shared/entrypoint"
)

// odooCommand: options stay with Odoo. What says the login or where the data is
// is odpm's. A command that comes to Odoo in its end stays as it is.
func (d *differ) odooCommand(s, o types.ServiceConfig, _, _ any) {
	if program, _, ok := odooWords(s.Entrypoint); ok && len(program) > 0 {
		return // its options: odooEntrypoint
	}
	program, options, ok := odooWords(s.Command)
	if !ok {
		if WrapsOdoo(s.Command) && !d.pythons() {
			if !slices.Equal(d.wordsAtPort(s.Name, s.Command), o.Command) {
				d.whole(s.Name, d.own(s), "command")
			}
			return
		}
		way := "to keep yours: command in docker-compose.override.yml, or keep using this file: ODPM_COMPOSE=keep in .env"
		if _, idle := Idles(s, Front{}); idle {
			way = "" // with either no login could be proven
		}
		d.problem(Problem{Code: "command", Message: "service " + s.Name + " runs a command other than Odoo (" + strings.Join(s.Command, " ") + "); odpm's starts Odoo", Way: way})
		return
	}
	keep := d.odooOptions(s, options)
	if len(keep) == 0 {
		return
	}
	words := keep
	switch {
	case officialOdoo(s.Image):
		// The path, which the image's entrypoint executes as it stands: see Spec.
		words = append([]string{"/usr/bin/odoo"}, keep...)
	case len(program) > 0:
		words = append(program, keep...)
	}
	words = append(words, "--data-dir="+compose.OdooDataTarget)
	if slices.Equal(words, o.Command) {
		return
	}
	d.out.set(d.own(s), "command", d.words(s.Name, words))
	d.carried("services." + d.own(s) + ".command")
}

// odooOptions leaves out what odpm says in its own way. A path below data_dir is
// followed to where that is now.
func (d *differ) odooOptions(s types.ServiceConfig, options []string) []string {
	var keep []string
	for i := 0; i < len(options); i++ {
		name, _, joined := strings.Cut(options[i], "=")
		takes := !joined && i+1 < len(options)
		switch name {
		case "--db_host", "--db_port", "--db_user", "-r", "--db_password", "-w", "--data-dir", "-D":
		case "-c", "--config":
		default:
			keep = append(keep, strings.ReplaceAll(options[i], d.Odoo.DataTarget+"/", compose.OdooDataTarget+"/"))
			continue
		}
		d.otherwise(s.Name, "command", name+": it is set in odoo.conf and .env")
		if takes {
			i++
		}
	}
	return keep
}

// odooWords splits a command into Odoo's program, nil where the image adds it,
// and its options.
func odooWords(command []string) (program, options []string, ok bool) {
	words := slices.Clone(oneLine(command))
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return nil, words, true
	}
	n := 1
	if strings.HasPrefix(path.Base(words[0]), "python") && len(words) > 1 {
		n = 2
	}
	if !slices.Contains(entrypoint.Programs, path.Base(words[n-1])) {
		return nil, nil, false
	}
	return words[:n:n], words[n:], len(words) == n || strings.HasPrefix(words[n], "-")
}

// odooEntrypoint keeps the checker in front. The command behind it is the file's own:
// Compose drops the image's command with an entrypoint.
func (d *differ) odooEntrypoint(s, o types.ServiceConfig, _, _ any) {
	own := d.own(s)
	alone := s
	alone.Command = types.ShellCommand{}
	if line, idle := Idles(s, Front{}); idle && len(s.Entrypoint) > 0 {
		if _, idle := Idles(alone, Front{}); idle {
			d.problem(Problem{Code: "command", Message: "service " + s.Name + " runs a command other than Odoo (" + strings.Join(line, " ") + "); odpm's starts Odoo"})
			return
		}
	}
	words, command := []string(s.Entrypoint), []string(nil)
	switch program, options, ok := odooWords(s.Entrypoint); {
	case ok && len(program) > 0:
		words = program
		command = append(d.odooOptions(s, append(options, oneLine(s.Command)...)), "--data-dir="+compose.OdooDataTarget)
	case len(s.Command) == 0 && !d.pythons():
		command = []string{}
	}
	if words = append([]string{compose.CheckerInImage, "--"}, d.wordsAtPort(s.Name, words)...); !slices.Equal(words, o.Entrypoint) {
		d.out.set(own, "entrypoint", d.words(s.Name, words))
		d.carried("services." + own + ".entrypoint")
	}
	if command != nil && !slices.Equal(command, o.Command) {
		d.out.set(own, "command", d.words(s.Name, command))
		d.carried("services." + own + ".command")
	}
}

// ownPlaces: where a script, or the image, may tell Odoo where its data and its
// configuration are, they are there too.
func (d *differ) ownPlaces(s, o types.ServiceConfig) []*yaml.Node {
	program, _, told := odooWords(s.Entrypoint)
	if told = told && len(program) > 0; !told && len(s.Entrypoint) == 0 && officialOdoo(s.Image) {
		_, _, told = odooWords(s.Command)
	}
	if told && !d.ownScript(s) && !d.confNames(d.Odoo.DataTarget) || d.pythons() {
		return nil
	}
	var out []*yaml.Node
	add := func(source, target, mode string) {
		if d.p.SELinux != "" {
			mode = strings.Replace(firstOf(mode, ":rw")+",z", ":rw,", ":", 1)
		}
		if !slices.ContainsFunc(o.Volumes, func(w types.ServiceVolumeConfig) bool { return path.Clean(w.Target) == target }) {
			out = append(out, quoted(compose.HostPath(d.p.Dir, source)+":"+target+mode))
		}
	}
	switch at := d.Odoo.DataTarget; {
	case d.Odoo.ownDataDir && env(s, "HOME") == "" && env(s, "XDG_DATA_HOME") == "":
		// Nobody says it, and now Odoo's user is at home in OdooDataTarget.
		add(d.p.OdooDataDir, compose.OdooDataTarget+belowHome, "")
	case d.Odoo.DataKnown && at != compose.OdooDataTarget:
		add(d.p.OdooDataDir, at, "")
	}
	if at := d.Odoo.ConfTarget; at != "" && at != compose.OdooConfTarget {
		add(firstOf(d.p.OdooConfPath, filepath.Join(d.p.Dir, "odoo.conf")), at, ":ro")
	}
	return out
}

// ownScript: what runs in front of Odoo is a script of the person's that does more than
// start it, also one in the place of the image's own. Only the script can say what it
// reads and writes, and as whom.
func (d *differ) ownScript(s types.ServiceConfig) bool {
	entry := []string(s.Entrypoint)
	if len(entry) == 0 && officialOdoo(s.Image) {
		entry = []string{officialEntrypoint}
	}
	line := slices.Concat(entry, s.Command)
	if at := shellText(line); at >= 0 {
		return entrypoint.Read(line[at]).Other != ""
	}
	return slices.ContainsFunc(line, func(word string) bool {
		text := mountedScript(s, word)
		return text != "" && entrypoint.Read(text).Other != ""
	})
}

// confNames: odoo.conf has a path below this directory, a log file for instance.
func (d *differ) confNames(dir string) bool {
	conf := d.p.OdooConf
	return conf != nil && slices.ContainsFunc(conf.Keys(), func(key string) bool {
		v, _ := conf.Value(key, d.p.OdooMajor)
		return strings.Contains(v, strings.TrimSuffix(dir, "/")+"/")
	})
}

// odooUser: Odoo runs as the person, unless a script in front of it was written for
// another one: it may install packages, which only root can.
func (d *differ) odooUser(s, _ types.ServiceConfig, _, _ any) {
	if d.ownScript(s) {
		d.whole(s.Name, d.own(s), "user")
		d.diff.OdooUser = s.User
		return
	}
	d.otherwise(s.Name, "user", "Odoo runs as your user, so that you own what it writes; if you are root, as the image's own user")
}
