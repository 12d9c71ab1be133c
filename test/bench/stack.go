package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const stackRuns = 5

// measureStack takes a project of its own through Docker: from stopped
// containers to a proven login and to an Odoo that answers, and a run that finds
// nothing to do. Beside it docker compose up -d does less, as it proves nothing.
func measureStack(ctx context.Context, b *bench) ([]row, error) {
	if text, err := exec.CommandContext(ctx, "docker", "compose", "version").CombinedOutput(); err != nil {
		b.notes = append(b.notes, fmt.Sprintf("the stack is not measured, there is no docker compose: %v %s", err, text))
		return nil, nil
	}
	if err := exec.CommandContext(ctx, "docker", "version").Run(); err != nil {
		b.notes = append(b.notes, "the stack is not measured, no Docker engine answers: docker version")
		return nil, nil
	}
	odpm := filepath.Join(b.dir, "odpm")
	if err := build(ctx, odpm, "./host/cmd/odpm"); err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "stack")
	project := "odpmbench" + strconv.Itoa(os.Getpid())
	if err := stackProject(dir, project); err != nil {
		return nil, err
	}
	home, _ := os.UserHomeDir()
	env := append(os.Environ(), "HOME="+b.dir, "DOCKER_CONFIG="+cmp.Or(os.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")))
	compose := func(args ...string) []string {
		return append([]string{"docker", "compose", "-p", project, "--project-directory", dir, "-f", filepath.Join(dir, "docker-compose.yml")}, args...)
	}
	run := func(argv []string) (time.Duration, error) { return timed(ctx, env, argv...) }
	defer func() {
		end := exec.Command("docker", compose("down", "-v", "-t", "10")[1:]...)
		end.Env = env
		end.Run()
		if ids, err := exec.Command("docker", "images", "-q", "odpm/"+project+"-odoo").Output(); err == nil && len(ids) > 0 {
			exec.Command("docker", append([]string{"rmi", "-f"}, strings.Fields(string(ids))...)...).Run()
		}
		if os.Geteuid() != 0 {
			// The data directory belongs to the image's user.
			exec.Command("docker", "run", "--rm", "-v", dir+":/project", "--entrypoint", "rm", "postgres:15", "-rf", "/project/data/postgresql").Run()
		}
	}()
	ours, theirs, plan := []string{odpm, "-C", dir}, compose("up", "-d"), []string{odpm, "-C", dir, "plan"}
	if _, err := run(ours); err != nil {
		return nil, err
	}
	all := map[string][]time.Duration{}
	for range stackRuns {
		for _, m := range []struct {
			name    string
			stopped bool
			argv    []string
		}{
			{"start", true, ours}, {"noop", false, ours}, {"plan", false, plan},
			{"their start", true, theirs}, {"their noop", false, theirs},
		} {
			if m.stopped {
				if _, err := run(compose("stop")); err != nil {
					return nil, err
				}
			}
			began := time.Now()
			d, err := run(m.argv)
			if err != nil {
				return nil, err
			}
			all[m.name] = append(all[m.name], d)
			if m.name != "start" {
				continue
			}
			// The checker saves it the moment the login is proven.
			info, err := os.Stat(filepath.Join(dir, ".odpm", "database", "last_run.json"))
			if err != nil {
				return nil, err
			}
			proven := info.ModTime().Sub(began)
			if proven <= 0 {
				return nil, fmt.Errorf("a start from stopped containers has recorded no login")
			}
			all["proven"] = append(all["proven"], proven)
		}
	}
	of := func(name string) time.Duration { return median(all[name]) }
	among, err := crowd(ctx, run, ours, plan)
	if err != nil {
		return nil, err
	}
	theirNoop := of("their noop")
	share := func(a, of time.Duration, most float64) string { return verdict(float64(a) <= most*float64(of)) }
	return []row{
		{"docker compose up -d, from stopped containers", ms(of("their start")), "", "", ""},
		{"  odpm, from stopped containers to a proven login", ms(of("proven")), "", times(of("proven"), of("their start")), ""},
		{"  the same until Odoo has answered, and odpm ends", ms(of("start")), "", times(of("start"), of("their start")), ""},
		{"docker compose up -d, nothing to do", ms(theirNoop), "", "", ""},
		{"  odpm, nothing to do, the login proven again", ms(of("noop")), "≤ 0.6×", times(of("noop"), theirNoop), share(of("noop"), theirNoop, 0.6)},
		{"  odpm plan of the same", ms(of("plan")), "≤ 0.35×", times(of("plan"), theirNoop), share(of("plan"), theirNoop, 0.35)},
		{fmt.Sprintf("odpm, nothing to do, %d other containers", others), ms(median(among[0])), "≤ 1.5× alone", times(median(among[0]), of("noop")), share(median(among[0]), of("noop"), 1.5)},
		{fmt.Sprintf("odpm plan, %d other containers", others), ms(median(among[1])), "≤ 1.5× alone", times(median(among[1]), of("plan")), share(median(among[1]), of("plan"), 1.5)},
	}, nil
}

// others is how many containers of other projects run on a large machine.
const others = 200

// crowd times the commands among many containers that have nothing to do with
// the project, each with a mount and a volume of its own.
func crowd(ctx context.Context, run func([]string) (time.Duration, error), commands ...[]string) ([][]time.Duration, error) {
	name := "odpmbench-other-" + strconv.Itoa(os.Getpid())
	var ids []string
	defer func() {
		exec.Command("docker", append([]string{"rm", "-fv"}, ids...)...).Run()
	}()
	for i := range others {
		out, err := exec.CommandContext(ctx, "docker", "run", "-d", "--network", "none", "--name", fmt.Sprintf("%s-%d", name, i),
			"-v", "/usr/share:/mnt:ro", "-v", "/anonymous", "--entrypoint", "sleep", "postgres:15", "3600").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("another container: %w\n%s", err, out)
		}
		ids = append(ids, strings.TrimSpace(string(out)))
	}
	all := make([][]time.Duration, len(commands))
	for range stackRuns {
		for i, argv := range commands {
			d, err := run(argv)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], d)
		}
	}
	return all, nil
}

func stackProject(dir, project string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	env := "COMPOSE_PROJECT_NAME=" + project + "\nODPM_RUNTIME=docker\n"
	for _, key := range []string{"POSTGRES_PORT", "ODOO_PORT", "GEVENT_PORT"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		// Until all are found, so that no two are the same.
		defer l.Close()
		env += fmt.Sprintf("%s=%d\n", key, l.Addr().(*net.TCPAddr).Port)
	}
	for name, text := range map[string]string{
		".env":      env,
		"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "odoo"}` + "\n",
		"odoo.conf": "[options]\ndb_host = db\ndb_user = " + role + "\ndb_password = " + password + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
