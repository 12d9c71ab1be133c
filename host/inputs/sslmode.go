package inputs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/odpm/odpm/shared/libpq"
)

// SSLMode is how Odoo's own connection is encrypted, in libpq's words, by
// Odoo's rules: its command line, then odoo.conf, from Odoo 19 PGSSLMODE before
// that, and prefer where nothing says it. ODPM_DB_SSLMODE is what the checker
// takes. Of two that count the stricter one is taken: no password goes out with
// less than somebody has asked for. stack: Odoo runs in a container.
func (in *Inputs) SSLMode(stack bool) string {
	p := in.Project
	command, env := in.odooStarts(stack)
	mode := option(command, "--db_sslmode")
	stands := mode != ""
	if mode == "" && p.OdooConf != nil {
		mode, _ = p.OdooConf.Value("db_sslmode", p.OdooMajor)
		// "False" there leaves it to libpq.
		_, stands = p.OdooConf.Get("db_sslmode")
	}
	if p.OdooMajor >= 19 || stands && mode == "" {
		mode = libpq.Stricter(mode, env["PGSSLMODE"])
	}
	return cmp.Or(libpq.Stricter(mode, env["ODPM_DB_SSLMODE"]), "prefer")
}

// odooStarts is what starts Odoo, as far as a file of the person's says it, and
// the variables that it is started with.
func (in *Inputs) odooStarts(stack bool) (command []string, env map[string]string) {
	doc := in.Merged
	switch {
	case in.Kept != nil:
		doc = in.Kept.Doc
	case !stack:
		return in.Project.OdooCommand, in.Project.Env
	}
	env = map[string]string{}
	if doc == nil {
		return nil, env
	}
	svc := doc.Services[in.Project.OdooServiceName]
	for k, v := range svc.Environment {
		if v != nil {
			env[k] = *v
		}
	}
	return slices.Concat(svc.Entrypoint, svc.Command), env
}

// option is the value of Odoo's option, "" where the command line has none; the
// last one counts.
func option(argv []string, name string) (value string) {
	for i, word := range argv {
		if v, ok := strings.CutPrefix(word, name+"="); ok {
			value = v
		} else if word == name && i+1 < len(argv) {
			value = argv[i+1]
		}
	}
	return value
}

// certificateName is what Odoo calls the server, where this machine reaches it
// under another address; "" where that is the same.
func (in *Inputs) certificateName(stack bool) string {
	if !stack || in.Project.OdooConf == nil {
		return ""
	}
	host, _ := in.Project.OdooConf.Value("db_host", in.Project.OdooMajor)
	return cmp.Or(host, in.Project.ServiceName)
}

// TLSFiles: on this machine Odoo finds the files of TLS where odpm does. In a
// container it may have none, and then only a demand needs them.
func (in *Inputs) TLSFiles(stack bool) bool {
	return !stack || libpq.Stricter("prefer", in.SSLMode(stack)) != "prefer"
}
