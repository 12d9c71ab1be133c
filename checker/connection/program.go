package connection

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/shared/entrypoint"
)

var (
	shells        = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true}
	userSwitchers = map[string]bool{"gosu": true, "su-exec": true, "su": true, "runuser": true, "sudo": true, "setuser": true, "s6-setuidgid": true, "chpst": true}
)

// noConnection are subcommands that open no connection.
var noConnection = map[string]bool{
	"scaffold": true, "help": true, "genproxytoken": true, "tsconfig": true, "upgrade_code": true,
}

// program recognises Odoo and a shell script that starts it, also behind
// wrappers such as tini, gosu or an interpreter, and a program that is given
// Odoo's connection options. Any other is taken for one that connects by PG*.
func (r *resolver) program(argv []string) error {
	asUser := false
	for i, arg := range argv {
		base := filepath.Base(arg)
		if i == 0 || !valueFollows[argv[i-1]] {
			if !slices.Contains(entrypoint.Programs, base) {
				if done, err := r.script(argv, i); done || err != nil {
					return err
				}
			}
		}
		if i > 0 && connectionOption(arg) {
			// A program of one's own that is given what only Odoo understands.
			r.byOption = true
			r.runsOdoo(argv[1:])
			return nil
		}
		switch {
		case i > 0 && valueFollows[argv[i-1]]:
			// -d odoo, --data-dir /srv/odoo: a name, not a program.
		case shells[base]:
			if _, line := shellLine(argv[i+1:]); line {
				// One that has nothing to do with Odoo.
				return nil
			}
		case userSwitchers[base]:
			asUser = true
		case asUser && arg == "odoo":
			// gosu odoo …: a name of a user, not of a program.
			asUser = false
		case slices.Contains(entrypoint.Programs, base), arg == "-m" && i+1 < len(argv) && argv[i+1] == "odoo":
			if arg == "-m" {
				i++
			}
			r.runsOdoo(argv[i+1:])
			return nil
		}
	}
	return nil
}

// valueFollows are options of Odoo's whose value often is called odoo.
var valueFollows = map[string]bool{
	"-d": true, "--database": true, "-D": true, "--data-dir": true, "--logfile": true, "--config": true,
}

// connectionOption is one of the options that nothing but Odoo has.
func connectionOption(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	switch name {
	case "--db_host", "--db_port", "--db_user", "--db_password":
		return true
	}
	return false
}

func (r *resolver) runsOdoo(args []string) {
	r.odoo, r.args = true, args
	r.cli = commandLine(args)
	if len(args) > 0 && noConnection[args[0]] {
		r.t.NoConnection = true
	}
	for _, a := range args {
		switch a {
		case "--version", "--help", "-h":
			r.t.NoConnection = true
		case "--":
			return
		}
	}
	if isURI(r.cli[dbName]) {
		r.warn("the database on the command line is a connection URI; that database is not proven")
	}
}

// Odoo's options that matter here, by the name of the setting.
var (
	longOptions = map[string]string{
		"--db_host": dbHost, "--db_port": dbPort, "--db_user": dbUser, "--db_password": dbPassword,
		"--database": dbName, "--db_sslmode": dbSSLMode, "--config": "config",
		"--db_replica_host": dbReplicaHost, "--db_replica_port": dbReplicaPort,
	}
	shortOptions = map[byte]string{'d': dbName, 'r': dbUser, 'w': dbPassword, 'c': "config"}
	// neighbours are the options that an abbreviation could also mean: optparse
	// accepts every prefix that is unique.
	neighbours = []string{
		"--data-dir", "--db-filter", "--db-template", "--db_maxconn", "--db_maxconn_gevent",
		"--db_app_name", "--dev",
	}
	// otherShort are the other short options that take a value.
	otherShort = "iuPDpl"
)

// commandLine reads Odoo's arguments as its optparse does; of an option that
// appears twice the last one counts.
func commandLine(args []string) map[string]string {
	found := map[string]string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		next := func() string {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return ""
		}
		switch {
		case arg == "--":
			return found
		case strings.HasPrefix(arg, "--"):
			option, value, given := strings.Cut(arg, "=")
			name := longName(option)
			if name == "" {
				continue
			}
			if !given {
				value = next()
			}
			found[name] = value
		case len(arg) > 1 && arg[0] == '-':
			for j := 1; j < len(arg); j++ {
				name, ours := shortOptions[arg[j]]
				if !ours && !strings.ContainsRune(otherShort, rune(arg[j])) {
					continue
				}
				value := arg[j+1:]
				if value == "" {
					value = next()
				}
				if ours {
					found[name] = value
				}
				break
			}
		}
	}
	return found
}

func longName(option string) string {
	if name, ok := longOptions[option]; ok {
		return name
	}
	match := ""
	for full, name := range longOptions {
		if strings.HasPrefix(full, option) {
			if match != "" {
				return ""
			}
			match = name
		}
	}
	for _, full := range neighbours {
		if strings.HasPrefix(full, option) {
			return ""
		}
	}
	return match
}
