package target

import (
	"os"
	"regexp"
	"strings"
)

// The official image's /entrypoint.sh (github.com/odoo/docker) starts Odoo
// with connection arguments of its own, made of $ODOO_RC and of HOST, PORT,
// USER and PASSWORD. Two forms of it are in use:
//
// Up to Odoo 18 all four arguments are always appended after the person's:
// the value from $ODOO_RC where the key stands there, cut out of the line as
// its third word, else the variable's.
//
// From Odoo 19 on an argument is appended only where neither $ODOO_RC has the
// key nor libpq's variable is set.
//
// The script itself says which form it is; where it cannot be read, or is
// somebody's own, the version decides.
type scriptForm struct {
	// known is false for a script of another make.
	known bool
	// cuts: the first form. pgAware: variables of libpq keep an argument away.
	cuts, pgAware bool
}

func readScript(path string, odooMajor int) scriptForm {
	data, err := os.ReadFile(path)
	text := string(data)
	if err != nil || len(data) > 1<<16 || !strings.Contains(text, "check_config") {
		return scriptForm{cuts: false, pgAware: odooMajor >= 19}
	}
	return scriptForm{
		known:   true,
		cuts:    strings.Contains(text, "cut -d"),
		pgAware: strings.Contains(text, "PGHOST"),
	}
}

// entrypoint applies the script's rules to its arguments.
func (r *resolver) entrypoint(path string, args []string) error {
	form := readScript(path, r.OdooMajor)
	if form.known && form.pgAware && r.OdooMajor == 0 {
		r.OdooMajor = 19
	}
	if len(args) == 0 {
		r.warn(path + " without a command starts nothing; write: " + path + " odoo")
	}
	switch {
	case len(args) == 0:
	case args[0] == "--" || args[0] == "odoo":
		args = args[1:]
	case strings.HasPrefix(args[0], "-"):
	default:
		// Any other command is executed as it stands.
		return r.program(args)
	}
	r.runsOdoo(args)
	if r.t.NoConnection {
		return nil
	}
	return r.append(form)
}

// append works out the arguments that the script appends.
func (r *resolver) append(form scriptForm) error {
	password, err := r.imagePassword()
	if err != nil {
		return err
	}
	rc, _ := r.Lookup("ODOO_RC")
	text := ""
	if data, err := os.ReadFile(rc); rc != "" && err == nil {
		text = string(data)
	}
	r.image, r.appended = true, map[string]Value{}
	for _, p := range []struct {
		name string
		env  Value
	}{
		{dbHost, r.firstOf("db", "HOST", "DB_PORT_5432_TCP_ADDR")},
		{dbPort, r.firstOf("5432", "PORT", "DB_PORT_5432_TCP_PORT")},
		{dbUser, r.firstOf("odoo", "USER", "DB_ENV_POSTGRES_USER", "POSTGRES_USER")},
		{dbPassword, password},
	} {
		if _, set := r.Lookup(pgVariable[p.name]); set && form.pgAware {
			continue
		}
		stands, cut := inFile(text, p.name)
		switch {
		case !stands:
			r.appended[p.name] = p.env
		case form.cuts:
			r.appended[p.name] = Value{cut, rc}
			r.checkCut(rc, p.name, cut, text)
		}
	}
	return nil
}

// firstOf is bash's ${A:=${B:='default'}}: an empty variable counts as unset.
func (r *resolver) firstOf(fallback string, names ...string) Value {
	for _, n := range names {
		if v, _ := r.Lookup(n); v != "" {
			return Value{v, n}
		}
	}
	return Value{fallback, "the image's default"}
}

// imagePassword follows PASSWORD_FILE, which beats PASSWORD.
func (r *resolver) imagePassword() (Value, error) {
	if path, set := r.Lookup("PASSWORD_FILE"); set {
		data, err := os.ReadFile(path)
		if err != nil {
			return Value{}, &ConfigError{"PASSWORD_FILE", "the file cannot be read, so the image's entrypoint would stop", "mount the secret, or correct the path"}
		}
		// $(< file) drops every newline at the end, and zero bytes.
		text := strings.TrimRight(strings.ReplaceAll(string(data), "\x00", ""), "\n")
		if text != "" {
			return Value{text, "PASSWORD_FILE"}, nil
		}
		return r.firstOf("odoo", "DB_ENV_POSTGRES_PASSWORD", "POSTGRES_PASSWORD"), nil
	}
	return r.firstOf("odoo", "PASSWORD", "DB_ENV_POSTGRES_PASSWORD", "POSTGRES_PASSWORD"), nil
}

// inFile is the script's grep and cut: lines whose key is name, whatever the
// section, and the third word of each.
func inFile(text, name string) (stands bool, cut string) {
	key := regexp.MustCompile(`^[ \t\r\f\v]*` + name + `[ \t\r\f\v]*=`)
	var words []string
	for _, line := range strings.Split(text, "\n") {
		if !key.MatchString(line) {
			continue
		}
		stands = true
		// cut prints a line without the delimiter whole.
		word := line
		if f := strings.Split(line, " "); len(f) > 1 {
			word = ""
			if len(f) > 2 {
				word = f[2]
			}
		}
		words = append(words, strings.NewReplacer(`"`, "", "\r", "").Replace(word))
	}
	return stands, strings.TrimRight(strings.Join(words, "\n"), "\n")
}

// checkCut warns where the script and Odoo read a line differently: it is the
// script's reading that Odoo gets, and nothing else would say so.
func (r *resolver) checkCut(path, name, cut, text string) {
	key := regexp.MustCompile(`(?m)^[ \t]*` + name + `[ \t]*=[ \t]*(.*?)[ \t\r]*$`)
	m := key.FindStringSubmatch(text)
	if m != nil && m[1] != cut && m[1] != "" {
		r.warn(path + ": the image's entrypoint takes only the third word of the line of " + name +
			"; write it as \"" + name + " = value\" with single spaces, and a value without any")
	}
}
