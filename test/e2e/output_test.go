package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// writing are the ways in which a command writes a result in a project with a
// running server; nil for a command that has none but its help.
var writing = map[string][][]string{
	"":                      {{}, {"--version"}, {"--get-dbs-list"}, {"--get-dbs-list", "--format", "json"}, {"-d", "shop", "--db-backup"}, {"__complete", "da"}},
	"adopt":                 nil,
	"completion":            nil,
	"completion bash":       {{}},
	"completion fish":       {{}},
	"completion powershell": {{}},
	"completion zsh":        {{}},
	"database":              nil,
	"database ensure-role":  {{}, {"--show-sql"}},
	"database list":         {{}, {"--format", "json"}},
	"database rehearse":     {{"$ARCHIVE"}},
	"database status":       {{}, {"--format", "json"}},
	"database verify":       {{"$ARCHIVE"}, {"$ARCHIVE", "--format", "json"}},
	"doctor":                {{}, {"--format", "json"}},
	"explain":               {{}, {"data_path"}},
	"help":                  {{}, {"plan"}},
	"init":                  {{"--format", "json"}},
	"plan":                  {{}, {"--format", "json"}, {"--detailed-exitcode"}, {"--show-diff"}, {"--strict"}},
	"render":                nil,
	"render kubernetes":     nil,
	"render swarm":          nil,
	"stop":                  nil,
}

// unwritable ARCHIVE runs every command that odpm has with a standard output
// that takes nothing: a full disk, and a reader that has gone.
func unwritable(ts *testscript.TestScript, neg bool, args []string) {
	var all []string
	var walk func(path []string)
	walk = func(path []string) {
		all = append(all, strings.Join(path, " "))
		for _, sub := range subcommands(ts, path) {
			walk(append(slices.Clone(path), sub))
		}
	}
	walk(nil)
	for name := range writing {
		if !slices.Contains(all, name) {
			ts.Fatalf("odpm has no command %q; it has %q", name, all)
		}
	}
	for _, name := range all {
		more, known := writing[name]
		if !known {
			ts.Fatalf("say here how odpm %s writes to standard output", name)
		}
		for _, a := range append([][]string{{"--help"}}, more...) {
			argv := append(strings.Fields(name), a...)
			for i, word := range argv {
				argv[i] = os.Expand(word, func(string) string { return ts.MkAbs(args[0]) })
			}
			toFull(ts, argv)
			toNobody(ts, argv)
		}
	}
}

func subcommands(ts *testscript.TestScript, path []string) []string {
	out, err := odpm(ts, append(slices.Clone(path), "--help")...).Output()
	ts.Check(err)
	_, list, ok := strings.Cut(string(out), "Available Commands:\n")
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for l := range strings.Lines(list) {
		names = append(names, strings.Fields(l)[0])
	}
	return names
}

// odpm as it runs in the script.
func odpm(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.Command(bin+"/odpm", args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "BACKUP_DIR=" + ts.Getenv("BACKUP_DIR"), "NO_COLOR=1"}
	return cmd
}

func toFull(ts *testscript.TestScript, argv []string) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	ts.Check(err)
	defer full.Close()
	var errs bytes.Buffer
	cmd := odpm(ts, argv...)
	cmd.Stdout, cmd.Stderr = full, &errs
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(errs.String(), "no space left on device") {
		ts.Fatalf("odpm %q >/dev/full: exit code %d\n%s", argv, code, &errs)
	}
	if slices.Contains(argv, "--help") {
		return
	}
	// Messages that nobody gets change nothing.
	cmd = odpm(ts, argv...)
	cmd.Stderr = full
	out, err := cmd.Output()
	if err != nil && !slices.Contains(argv, "--detailed-exitcode") || len(out) == 0 {
		ts.Fatalf("odpm %q 2>/dev/full: %v\n%s", argv, err, out)
	}
}

func toNobody(ts *testscript.TestScript, argv []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	r.Close()
	defer w.Close()
	var errs bytes.Buffer
	cmd := odpm(ts, argv...)
	cmd.Stdout, cmd.Stderr = w, &errs
	_ = cmd.Run()
	code := cmd.ProcessState.ExitCode()
	if code != 141 && !(code == 2 && slices.Contains(argv, "--detailed-exitcode")) || strings.Contains(errs.String(), "pipe") {
		ts.Fatalf("odpm %q | nobody: exit code %d\n%s", argv, code, &errs)
	}
}
