package database

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// neutralizeNative runs the neutralisation of the Odoo that ODOO_COMMAND
// starts, after asking the same Python which modules it finds.
func (w *work) neutralizeNative(ctx context.Context, database string, modules []string) error {
	argv, err := w.OdooArgv(ctx)
	if err != nil {
		return err
	}
	python, script, err := pythonOf(argv)
	if err != nil {
		return fmt.Errorf("could not find out which modules Odoo has: %w", err)
	}
	env, err := w.OdooEnv(ctx)
	if err != nil {
		return err
	}
	ask := exec.CommandContext(ctx, python[0], append(python[1:], "-c", findModules)...)
	// A source checkout imports odoo from beside odoo-bin.
	ask.Env = append(slices.Clone(env), "ODOO_RC="+w.Project.OdooConfPath, "PYTHONPATH="+strings.TrimSuffix(filepath.Dir(script)+":"+os.Getenv("PYTHONPATH"), ":"))
	ask.Dir = w.Project.Dir
	ask.Stdin = strings.NewReader(strings.Join(modules, "\n"))
	errs := wording.Tail{Max: 16 << 10}
	ask.Stderr = &errs
	out := &wording.Answer{Max: 1 << 20}
	ask.Stdout, ask.WaitDelay = out, time.Second
	err = ask.Run()
	if err != nil {
		return fmt.Errorf("could not find out which modules Odoo has: %w\n%s", err, wording.LastLines(errs.String(), 5))
	}
	if names := strings.Fields(out.String()); len(names) > 0 {
		return modulesMissing(names)
	}
	// The subcommand follows the program, before its options.
	at := slices.Index(argv, script) + 1
	argv = append(slices.Insert(argv, max(at, 1), "neutralize"), "-d", database)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.Project.Dir, env, w.Term.Err, w.Term.Err
	return cmd.Run()
}

// pythonOf finds the interpreter behind a command: the first word where that
// is a Python ("python3 odoo-bin"), else what the script's first line names.
func pythonOf(argv []string) (python []string, script string, err error) {
	if strings.HasPrefix(filepath.Base(argv[0]), "python") {
		if len(argv) < 2 {
			return nil, "", errors.New("ODOO_COMMAND names a Python interpreter, but no program for it to run")
		}
		return argv[:1:1], argv[1], nil
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	words, isScript := strings.CutPrefix(strings.TrimSpace(line), "#!")
	fields := strings.Fields(words)
	if err != nil || !isScript || len(fields) == 0 || !strings.Contains(words, "python") {
		return nil, "", fmt.Errorf("%s is not a Python script; name Odoo's own program in ODOO_COMMAND", path)
	}
	return fields, argv[0], nil
}
