package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func (p *proposer) manifest() {
	m := map[string]string{"platform_name": "odoo"}
	if p.Odoo != nil && p.Odoo.Version != "" {
		m["odoo_version"] = p.Odoo.Version
	}
	if p.postgresVersion != "" {
		m["postgres_version"] = p.postgresVersion
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		// A map of strings always encodes.
		panic(err)
	}
	p.out.Manifest = append(data, '\n')
}

// Complete is a manifest with some version in the place of one that the file does
// not say.
func (f *File) Complete(manifest []byte) []byte {
	m := map[string]string{}
	if json.Unmarshal(manifest, &m) != nil {
		return manifest
	}
	for key, some := range map[string]string{"odoo_version": "18.0", "postgres_version": "17"} {
		if m[key] == "" {
			m[key] = some
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return manifest
	}
	return data
}

// EnvFile is the .env with the proposal: what is there stays byte for byte,
// what it lacks is added. Keys that are there with another value are given
// back, for a word about them.
func (p Proposal) EnvFile(existing []byte) (content []byte, differing []string, err error) {
	have, err := dotenv.Parse(bytes.NewReader(existing))
	if err != nil {
		return nil, nil, fmt.Errorf(".env cannot be read: %w", err)
	}
	var b bytes.Buffer
	b.Write(existing)
	if len(existing) > 0 && existing[len(existing)-1] != '\n' {
		b.WriteByte('\n')
	}
	for _, v := range p.Vars {
		key := v.Key
		if old, ok := have[key]; ok {
			if old == v.Value {
				continue
			}
			// What their own compose file reads stays what it is.
			if !p.Theirs[key] {
				differing = append(differing, key)
				continue
			}
			key = "ODPM_" + key
			if old, ok := have[key]; ok {
				if old != v.Value {
					differing = append(differing, key)
				}
				continue
			}
			v.Why = v.Key + " above is the compose file's; this is odpm's own"
		}
		if v.Why != "" {
			b.WriteString("# " + v.Why + "\n")
		}
		if v.Ref != "" && have[v.Ref] == v.Value {
			b.WriteString(key + "=${" + v.Ref + "}\n")
			continue
		}
		b.WriteString(key + "=" + envQuote(v.Value) + "\n")
	}
	return b.Bytes(), differing, nil
}

// envQuote writes a value so that compose's reader gives back the same: single
// quotes keep everything but themselves.
func envQuote(v string) string {
	switch {
	case plainValue.MatchString(v):
		return v
	case !strings.ContainsAny(v, "'\\\n\r"):
		return "'" + v + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`).Replace(v) + `"`
}
