package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// Arguments of a one-off Odoo come to Odoo, or it is not started.
func TestOnceLine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"on.sh": "#!/bin/sh\nexec odoo -c /x \"$@\"\n", "off.sh": "#!/bin/sh\nexec odoo -c /x\n", "other": "\x7fELF"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := types.ServiceConfig{ContainerSpec: types.ContainerSpec{Volumes: []types.ServiceVolumeConfig{{Type: types.VolumeTypeBind, Source: dir, Target: "/srv"}}}}
	args := []string{"-d", "shop", "-i", "base"}
	for _, c := range []struct{ entry, command, want string }{
		{"/checker|--|/entrypoint.sh", "odoo|--data-dir=/x", "/checker|--|/entrypoint.sh|odoo|--data-dir=/x|-d|shop|-i|base"},
		{"/checker|--|/bin/bash|-c|pip install x && exec odoo -d \"a b\" ;", "", "/checker|--|/bin/bash|-c|pip install x && exec odoo -d \"a b\" \"$@\"|odoo|-d|shop|-i|base"},
		{"/checker|--|/entrypoint.sh", "bash|-ec|sleep 1; odoo", "/checker|--|/entrypoint.sh|bash|-ec|sleep 1; odoo \"$@\"|odoo|-d|shop|-i|base"},
		{"sh|-c|exec odoo \"$@\"|--", "", "sh|-c|exec odoo \"$@\"|--|-d|shop|-i|base"},
		{"bash|-c|wait.sh db:5432 -- gosu odoo odoo", "", "bash|-c|wait.sh db:5432 -- gosu odoo odoo \"$@\"|odoo|-d|shop|-i|base"},
		{"bash|-c|odoo | tee /log", "", "!neither ends in Odoo"},
		{"bash|-c|su odoo -c \"odoo -d x\"", "", "!neither ends in Odoo"},
		{"bash|-c|if true; then odoo; fi", "", "!neither ends in Odoo"},
		{"bash|-c|odoo &", "", "!neither ends in Odoo"},
		{"bash|-c| ; ", "", "!neither ends in Odoo"},
		{"/checker|--|/srv/on.sh", "", "/checker|--|/srv/on.sh|-d|shop|-i|base"},
		{"/checker|--|/srv/off.sh", "", "!/srv/off.sh does not pass its arguments on"},
		{"/srv/other", "", "/srv/other|-d|shop|-i|base"},
	} {
		split := func(text string) []string {
			return slices.DeleteFunc(strings.Split(strings.ReplaceAll(text, " | ", " \x00 "), "|"), func(w string) bool { return w == "" })
		}
		entry := split(c.entry)
		for i := range entry {
			entry[i] = strings.ReplaceAll(entry[i], "\x00", "|")
		}
		line, _, why := OnceLine(s, entry, split(c.command), args)
		if want, refused := strings.CutPrefix(c.want, "!"); refused && !strings.Contains(why, want) || !refused && strings.Join(line, "|") != c.want {
			t.Errorf("%s %s:\n%q %s", c.entry, c.command, line, why)
		}
	}
}

// TestShellLogin: what a shell makes of its line is what Odoo logs in with. odpm gave the
// role the password $PASSWORD, letter for letter.
func TestShellLogin(t *testing.T) {
	for name, tt := range map[string]struct{ command, want string }{
		"variables":        {`["sh", "-c", "exec odoo --db_host=\"$$HOST\" -r $${USER} --db_password='$$PASSWORD' --db_port=$${PORT:-5433}"]`, "db erp secret 5433"},
		"a group":          {`["bash", "-c", "{ echo ready; odoo -r shop --db_password=plain; }"]`, "db shop plain 0"},
		"a file":           {`["sh", "-c", "odoo --db_password=$$(cat /run/secrets/pw)"]`, "db erp  0"},
		"of old":           {"[\"sh\", \"-c\", \"odoo --db_password=`cat /run/pw`\"]", "db erp  0"},
		"made before":      {`["sh", "-c", "export P=$$(cat /run/pw); odoo --db_password=$$P"]`, "db erp  0"},
		"not in a shell":   {`["odoo", "--db_password=pa$$word"]`, "db erp pa$word 0"},
		"no option at all": {`["sh", "-c", "exec odoo"]`, "db erp secret 0"},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, `
services:
  odoo:
    image: odoo:17.0
    command: `+tt.command+`
    environment: {HOST: db, USER: erp, PASSWORD: secret}
    volumes: ["./data:/var/lib/odoo"]
  db: {image: "postgres:15", environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, nil)
			if o := f.Odoo; o == nil || fmt.Sprintf("%s %s %s %d", o.Host, o.Role, o.Password, o.DBPort) != tt.want {
				t.Errorf("%+v", f.Odoo)
			}
		})
	}
}
