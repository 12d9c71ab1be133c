package foreign

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// passwordVar is Odoo's password for .env. Where a variable of .env has it already, as
// in PASSWORD=${DB_PASSWORD}, that is named: a second copy would stay what it was when
// the first one is changed.
func (p *proposer) passwordVar(password string) Var {
	v := Var{Key: "POSTGRES_ODOO_PASS", Value: password, Secret: true}
	// Without one, a copy is written.
	have, _ := dotenv.Read(filepath.Join(p.dir, ".env"))
	from := ""
	for _, service := range []string{p.OdooService(), p.PostgresService()} {
		s := p.Doc.Services[service]
		for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
			value := s.Environment[key]
			if value == nil {
				continue
			}
			if slices.Contains(passwordFiles, key) && p.secretFile(s, *value) == password {
				from = firstOf(from, *value)
			}
			if *value != password {
				continue
			}
			name := key // of an env_file, or passed on as it is
			if text, said := p.uninterpolatedVariable(service, key); said {
				m := variable.FindStringSubmatch(text)
				if m == nil {
					continue
				}
				name, from = m[1], firstOf(from, "${"+m[1]+"}") // a default would be the password itself
			}
			if have[name] == password && !slices.Contains(shells, name) {
				v.Ref, v.Why = name, "Odoo's password, which "+name+" above has"
				return v
			}
		}
	}
	if from != "" {
		p.problem(Problem{Code: "password_copied", Message: fmt.Sprintf("Odoo's password comes from %s in the file; POSTGRES_ODOO_PASS in .env is a copy of it", from),
			Way: "odpm uses the copy, so change both together"})
	}
	return v
}

var passwordFiles = []string{"PASSWORD_FILE", "POSTGRES_PASSWORD_FILE"}
