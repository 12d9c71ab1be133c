package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// fuzzer is a native fuzz target of a reader.
type fuzzer struct{ name, what, pkg, target string }

var fuzzers = []fuzzer{
	{"snapshot", "last_run.json", "shared/snapshot", "FuzzDecode"},
	{"handoff", "checker.json", "shared/handoff", "FuzzDecode"},
	{"odoo.conf", "odoo.conf, against Python's configparser", "shared/odooconf", "FuzzParse"},
	{"service", "pg_service.conf", "shared/libpq", "FuzzService"},
	{"pgpass", ".pgpass", "shared/libpq", "FuzzPassfile"},
	{"project", ".env, odpm.json, user_settings.json, odoo.conf", "host/project", "FuzzLoad"},
	{"compose", "somebody's compose file", "host/compose/foreign", "FuzzRead"},
	{"version", "PG_VERSION and pg_control", "host/datadir", "FuzzVersion"},
	{"pid", "postmaster.pid", "host/engine/native", "FuzzPostmaster"},
	{"look", "what a container prints of a data directory", "host/engine/docker", "FuzzLook"},
	{"archive", "archives and their tables of contents", "host/odoodb/archive", "FuzzOpen"},
	{"dump", "dump.sql", "host/odoodb/sqldump", "FuzzScan"},
	{"journal", "journals of interrupted work", "host/odoodb", "FuzzJournals"},
}

func (f fuzzer) promise() promise {
	return promise{f.name, "fuzz: " + f.what, f.try}
}

var execs = regexp.MustCompile(`execs: (\d+)`)

func (f fuzzer) try(t *tries) error {
	limit := "60s"
	if t.short {
		limit = "3s"
	}
	cmd := exec.CommandContext(t.ctx, "go", "test", "./"+f.pkg, "-run", "^$", "-fuzz", "^"+f.target+"$", "-fuzztime", limit, "-fuzzminimizetime", "10x") // by default it stands still for a minute at each find
	out, err := cmd.CombinedOutput()
	if all := execs.FindAllSubmatch(out, -1); len(all) > 0 {
		t.n, _ = strconv.Atoi(string(all[len(all)-1][1]))
	}
	switch text := string(out); {
	case err == nil:
	case strings.Contains(text, "Failing input written"):
		t.broke = append(t.broke, text)
	default:
		return fmt.Errorf("go test -fuzz: %w\n%s", err, text)
	}
	return nil
}
