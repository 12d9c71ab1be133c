package entrypoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestForms: the official image's forms, retold for the stand-in images, make
// options and do nothing else.
func TestForms(t *testing.T) {
	scripts, _ := filepath.Glob("../../test/images/odoo/entrypoint/*.sh")
	if len(scripts) != 3 {
		t.Fatalf("%v", scripts)
	}
	for _, file := range scripts {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := Script{ByName: true, HandsOn: true, OptionsOfItsOwn: true, Splits: true, WaitsLast: true}
		if got := Read(string(text)); got != want || !IsShell(string(text)) {
			t.Errorf("%s: %+v", file, got)
		}
	}
}

func TestIsShell(t *testing.T) {
	for line, want := range map[string]bool{
		"#!/bin/sh": true, "#!/bin/bash -e": true, "#! /usr/bin/env bash": true, "#!/usr/bin/env -S bash -e": true, "#!/usr/bin/dash": true,
		"#!/usr/bin/python3": false, "#!/usr/bin/env python3": false, "\x7fELF": false, "": false, "exec odoo": false, "#!": false,
	} {
		if IsShell(line+"\nx\n") != want {
			t.Errorf("%q: want %v", line, want)
		}
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]Script{
		`exec odoo "$@"`:                                            {ByName: true},
		`exec odoo "${@:2}"`:                                        {ByName: true},
		`exec odoo -c /etc/odoo.conf "$@"`:                          {ByName: true, OptionsOfItsOwn: true},
		`exec odoo "$@" ${ARGS[@]}`:                                 {ByName: true, OptionsOfItsOwn: true, Splits: true},
		`exec "$@"`:                                                 {HandsOn: true},
		`"$@"`:                                                      {HandsOn: true},
		`exec gosu odoo odoo "$@"`:                                  {ByName: true},
		`exec gosu odoo "$@"`:                                       {HandsOn: true},
		`exec tini -g -- odoo-bin "$@"`:                             {ByName: true},
		`if [ -n "$X" ]; then exec odoo; fi`:                        {ByName: true},
		`[ -n "$X" ] && exec odoo`:                                  {ByName: true},
		`PGHOST=db exec odoo "$@"`:                                  {ByName: true},
		`env PGHOST=db odoo "$@"`:                                   {ByName: true},
		`run() { exec odoo "$@"; }` + "\nrun":                       {ByName: true},
		`function run { exec odoo "$@"; }` + "\nrun":                {ByName: true},
		"case $1 in\nodoo) exec /opt/odoo ;;\nesac":                 {ByPath: "/opt/odoo"},
		"case $1 in odoo|-*) exec odoo \"$@\";; esac":               {ByName: true},
		"case $1 in\n# exec /usr/bin/odoo\n(a) ;;\nesac\nexec odoo": {ByName: true},
		`exec /usr/bin/odoo "$@"`:                                   {ByPath: "/usr/bin/odoo"},
		`exec python3 /opt/odoo/odoo-bin "$@"`:                      {ByPath: "/opt/odoo/odoo-bin"},
		`exec python3 odoo-bin "$@"`:                                {ByPath: "./odoo-bin"},
		`exec python3 -u -m odoo "$@"`:                              {ByPath: "/python3 -m odoo"},
		`python3 /opt/prepare.py; exec odoo`:                        {ByName: true, Other: "python3"},
		"# exec odoo\nexec /start \"$@\"":                           {Other: "/start"},
		`exec "$ODOO_BIN" "$@"`:                                     {Other: "$ODOO_BIN"},
		"echo odoo; chown odoo /usr/bin/odoo":                       {Other: "chown"},
		"useradd odoo\nexec odoo":                                   {ByName: true, Other: "useradd"},
		`exec su odoo -c "odoo $*"`:                                 {Other: "su"},
		"export PATH=/opt/venv/bin:$PATH\nexec odoo":                {ByName: true, Other: "PATH="},
		"PATH=/opt:$PATH\nexec odoo":                                {ByName: true, Other: "PATH="},
		". /opt/venv/bin/activate\nexec odoo":                       {ByName: true, Other: "."},
		"exec env -i odoo":                                          {Other: "env -i"},
		"echo \"db_host = $HOST\" >> \"$ODOO_RC\"\nexec odoo":       {ByName: true, Other: "echo"},
		"echo started >&2; x=$(grep a b 2>/dev/null); exec odoo":    {ByName: true},
		"sed -i s/a/b/ \"$ODOO_RC\"; exec odoo":                     {ByName: true, Other: "sed"},
		"x=$(psql -c 'select 1'); exec odoo":                        {ByName: true, Other: "psql"},
		"x=`psql -c 1`; exec odoo":                                  {ByName: true, Other: "psql"},
		"echo \"$(psql -c 1)\"; exec odoo":                          {ByName: true, Other: "psql"},
		"cat <<EOF\nexec odoo\nEOF":                                 {ByName: true, Other: "what cannot be read without running it"},
		"wait-for-psql.py $X --timeout=30\nexec odoo":               {ByName: true, WaitsLast: true},
		"wait-for-psql.py\npsql -c 1\nexec odoo":                    {ByName: true, Other: "psql"},
		"X=\"a b\" \\\n  exec \\\n  odoo":                           {ByName: true},
		"echo 'exec odoo'":                                          {},
		"echo \"; exec odoo\"":                                      {},
		"echo exec odoo":                                            {},
		`X=${Y:-$(psql)}; exec odoo`:                                {ByName: true, Other: "what cannot be read without running it"},
		"A=('exec odoo' \"$(true)\")":                               {},
		"exec odoo 'unfinished":                                     {ByName: true, Other: "what cannot be read without running it", OptionsOfItsOwn: true},
	} {
		got := Read(text)
		got.IgnoresArguments = false // TestIgnoresArguments
		if got != want {
			t.Errorf("%s\n got %+v\nwant %+v", text, got, want)
		}
	}
}

func TestIgnoresArguments(t *testing.T) {
	for text, want := range map[string]bool{
		`exec odoo -c /etc/odoo.conf`: true, `exec odoo --db_host "$HOST" "${DB_PORT}" $$`: true, "": true, "exec odoo $": true, "exec odoo ${": true,
		`exec odoo "$@"`: false, `exec odoo $*`: false, `exec odoo "${@:2}"`: false, `case "$1" in odoo) exec odoo;; esac`: false, `[ $# = 0 ] || shift`: false, `odoo "${1}"`: false,
	} {
		if got := Read(text).IgnoresArguments; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestNesting: an image may hold a script that is made to be read for ever.
func TestNesting(t *testing.T) {
	for _, open := range []string{"\"$(", "$(", "\"${x:-", "`", "((", "$((", "(", "case a in "} {
		done := make(chan struct{})
		go func() { defer close(done); Read(strings.Repeat(open, MaxSize/len(open))) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s is read for ever", open)
		}
	}
}

// FuzzRead: whatever a file holds, reading it ends.
func FuzzRead(f *testing.F) {
	f.Add("case $1 in\n-- | odoo) exec odoo \"$@\" \"${A[@]}\" ;;\n*) x=$(cat <(echo)) ;;\nesac")
	f.Add("echo \"$(a \"$(b)\")\" `c` $((1+(2))) ${x:-${y:='z'}} # d\n")
	f.Fuzz(func(_ *testing.T, text string) { Read(text) })
}
