package foreign

import (
	"slices"
	"strings"
	"testing"
)

// What the command has Odoo listen on is published on the ports of before: they were
// taken for ports of something else, and each was published twice.
func TestListensOn(t *testing.T) {
	for name, tt := range map[string]struct{ command, ports string }{
		"both":      {"--http-port=8888 --gevent-port 8899", `["9069:8888", "9072:8899"]`},
		"short":     {"odoo -p 8888 --longpolling-port=8899", `["9069:8888", "9072:8899"]`},
		"a shell's": {`sh -c "pip install x; exec odoo --http-port 8888 --gevent-port 8899"`, `["9069:8888", "9072:8899"]`},
	} {
		t.Run(name, func(t *testing.T) {
			d, f := differenceOf(t, `
services:
  odoo:
    image: odoo:17.0
    command: `+tt.command+`
    ports: `+tt.ports+`
    environment: {HOST: db, USER: odoo, PASSWORD: pw}
  db: {image: "postgres:15", environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, nil)
			for key, want := range map[string]string{"ODOO_PORT": "9069", "GEVENT_PORT": "9072"} {
				vars := f.Propose(Place{Dir: f.Dir}).Vars
				if i := slices.IndexFunc(vars, func(v Var) bool { return v.Key == key }); i < 0 || vars[i].Value != want {
					t.Errorf("%s=%s is not proposed: %v", key, want, vars)
				}
			}
			if !slices.Contains(d.Carried, "services.odoo.command") || !strings.Contains(string(d.Override), "8888") {
				t.Errorf("the command is not carried over: %s", d.Override)
			}
			if slices.Contains(d.Carried, "services.odoo.ports") {
				t.Errorf("the ports are published again: %s", d.Override)
			}
		})
	}
}

// An Odoo on the host's network is reached where it listens, and stays so: its port was
// published on 127.0.0.1, and, since it was in use, on another number.
func TestListensOnTheHost(t *testing.T) {
	for name, tt := range map[string]struct {
		command, conf, bind, port, gevent string
		note                              bool
	}{
		"as it comes":  {"odoo", "", "0.0.0.0", "8069", "8072", false},
		"its options":  {"odoo --http-port=8888 --http-interface=0.0.0.0", "", "0.0.0.0", "8888", "8072", false},
		"odoo.conf":    {"odoo", "http_port = 9069\nlongpolling_port = 9072\nhttp_interface = 10.1.2.3\n", "10.1.2.3", "9069", "9072", false},
		"this machine": {"odoo", "http_interface = 127.0.0.1\n", "", "8069", "8072", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, `
services:
  odoo:
    image: odoo:17.0
    network_mode: host
    command: `+tt.command+`
    volumes: ["./odoo.conf:/etc/odoo/odoo.conf"]
    environment: {HOST: localhost, USER: odoo, PASSWORD: pw}
  db: {image: "postgres:15", network_mode: host, environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, map[string]string{"odoo.conf": "[options]\n" + tt.conf})
			got := map[string]string{}
			for _, v := range f.Propose(Place{Dir: f.Dir}).Vars {
				got[v.Key] = v.Value
			}
			if got["ODOO_BIND"] != tt.bind || got["ODOO_PORT"] != tt.port || got["GEVENT_PORT"] != tt.gevent {
				t.Errorf("%v", got)
			}
			if note := slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Code == "odoo_interface" }); note != tt.note {
				t.Errorf("%v", f.Problems)
			}
		})
	}
}

// What is published beside what was is said, and a password that comes into a second file.
func TestMoreThanBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		ports, environment string
		also, clear        bool
	}{
		"everybody's":  {`["8069:8069"]`, "X: y", true, false},
		"this machine": {`["127.0.0.1:8069:8069"]`, "X: y", false, false},
		"both already": {`["8069:8069", "8072:8072"]`, "X: y", false, false},
		"a password":   {`["127.0.0.1:8069:8069"]`, "SMTP_PASSWORD: s3cret", false, true},
		"in .env":      {`["127.0.0.1:8069:8069"]`, "SMTP_PASSWORD: $HOME", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := differenceOf(t, `
services:
  odoo:
    image: odoo:17.0
    ports: `+tt.ports+`
    environment: {HOST: db, USER: odoo, PASSWORD: pw, `+tt.environment+`}
  db: {image: "postgres:15", environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, nil)
			also := slices.ContainsFunc(d.Otherwise, func(s string) bool { return strings.Contains(s, "GEVENT_PORT=8072") })
			clear := slices.ContainsFunc(d.Problems, func(p Problem) bool { return p.Code == "password_in_override" })
			if also != tt.also || clear != tt.clear {
				t.Errorf("%q\n%v", d.Otherwise, d.Problems)
			}
		})
	}
}
