package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/odpm/odpm/host/engine/native"
)

// badEngine puts an engine of our own in Docker's place, or a client, that has
// one fault. odpm ends in order and in time, and nothing is started instead.
func badEngine(t *tries) error {
	kinds := []string{"refused", "nobody there", "permission", "no compose", "old compose", "silent client", "failing client",
		"silence", "slow", "closed", "500", "garbage", "cut", "endless", "html", "old api", "another type"}
	commands := [][]string{{"plan"}, {"database", "status"}, {"database", "list"}, {"--no-input"}, {"doctor"},
		{"-d", database, "--db-drop", "--yes", "--no-input"}, {"-d", database, "--db-backup", "x.zip", "--no-input"}}
	t.atOnce(t.times(len(kinds), 600), func(n int, rng *rand.Rand) error {
		kind, args := kinds[n%len(kinds)], commands[rng.IntN(len(commands))]
		if err := t.engineFails(kind, args, rng); err != nil {
			return fmt.Errorf("%s, odpm %s: %w", kind, strings.Join(args, " "), err)
		}
		return nil
	})
	return nil
}

func (t *tries) engineFails(kind string, args []string, rng *rand.Rand) error {
	dir, err := os.MkdirTemp("/tmp", "odpm-torture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Docker is what the project says, or what it was found to use before.
	files := map[string]string{"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0"}`}
	if rng.IntN(2) == 0 {
		files[".env"] = "ODPM_RUNTIME=docker\n"
	} else {
		files[".odpm/state/engine"] = "docker\n"
	}
	var before string
	if client := clients[kind]; client != "" {
		before = filepath.Join(dir, "client") + ":"
		files["client/docker"] = client
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o700)); err != nil {
			return err
		}
	}
	socket := filepath.Join(dir, "docker.sock")
	if kind != "nobody there" {
		l, err := net.Listen("unix", socket)
		if err != nil {
			return err
		}
		defer l.Close()
		if kind == "refused" {
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
		} else {
			e := &engineServer{kind: kind, at: int64(rng.IntN(6))}
			server := &http.Server{Handler: e}
			go server.Serve(l)
			defer server.Close()
		}
	}
	p := &place{t: t, dir: dir, env: []string{"DOCKER_HOST=unix://" + socket, "PATH=" + before + t.bin + ":" + os.Getenv("PATH")}}
	said := p.odpm(args...)
	if said != nil && !isExit(said) {
		return said
	}
	if said == nil && args[0] != "plan" && args[0] != "doctor" && args[len(args)-1] != "status" {
		return errors.New("it said that it was done")
	}
	for _, name := range []string{"docker-compose.yml", "data/postgresql"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s is there; it said %v", name, said)
		}
	}
	if pids := native.ServersOn(filepath.Join(dir, "data/postgresql/var/lib/postgresql/data")); len(pids) > 0 {
		return fmt.Errorf("a server was started (%v)", pids)
	}
	return nil
}

// clients are in the place of the docker command.
var clients = map[string]string{
	"permission":     "#!/bin/sh\necho 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock' >&2\nexit 1\n",
	"no compose":     "#!/bin/sh\ncase \"$1\" in compose) echo \"docker: 'compose' is not a docker command.\" >&2; exit 1;; esac\nPATH=${PATH#*:} exec docker \"$@\"\n",
	"old compose":    "#!/bin/sh\ncase \"$1\" in compose) echo 1.29.2; exit 0;; esac\nPATH=${PATH#*:} exec docker \"$@\"\n",
	"silent client":  "#!/bin/sh\nexec sleep 3600\n",
	"failing client": "#!/bin/sh\nexit 125\n",
}

// engineServer answers as an engine without a container does, but for one answer.
type engineServer struct {
	kind  string
	at    int64 // how many answers are right
	count atomic.Int64
}

func (e *engineServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	if e.count.Add(1) > e.at {
		e.wrong(w, r)
		return
	}
	e.right(w, r)
}

func (e *engineServer) right(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		_, path, _ = strings.Cut(path[1:], "/")
		path = "/" + path
	}
	switch path {
	case "/_ping":
		io.WriteString(w, "OK")
	case "/version":
		io.WriteString(w, `{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}`)
	case "/info":
		io.WriteString(w, `{"ID": "TORTURE", "ServerVersion": "20.10.24", "OSType": "linux"}`)
	case "/containers/json", "/networks", "/images/json":
		io.WriteString(w, "[]")
	case "/volumes":
		io.WriteString(w, `{"Volumes": []}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message": "no such object"}`)
	}
}

func (e *engineServer) wrong(w http.ResponseWriter, r *http.Request) {
	flush := func() { _ = http.NewResponseController(w).Flush() }
	switch e.kind {
	case "silence":
		<-r.Context().Done()
	case "slow":
		select {
		case <-time.After(30 * time.Second):
			e.right(w, r)
		case <-r.Context().Done():
		}
	case "closed":
		panic(http.ErrAbortHandler)
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, `{"message": "driver failed programming external connectivity"}`)
	case "garbage":
		io.WriteString(w, "\x00\x1b[2J]}{")
	case "cut":
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `[{"Id": "`)
		flush()
		panic(http.ErrAbortHandler)
	case "endless":
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, "<html>Bad Gateway</html>")
	case "old api":
		w.Header().Set("Api-Version", "1.12")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"message": "client version 1.41 is too new. Maximum supported API version is 1.12"}`)
	case "another type":
		io.WriteString(w, `{"Id": [], "Names": 7, "State": {}}`)
	default:
		e.right(w, r)
	}
}
