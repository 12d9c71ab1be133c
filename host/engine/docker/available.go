package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// Unavailable says which part of Docker is missing and the next command.
type Unavailable struct {
	// Part is "client", "engine" or "compose".
	Part string
	// Message is the whole text.
	Message string
}

func (u *Unavailable) Error() string { return u.Message }

func errNoClient() error {
	return &Unavailable{"client", "there is no docker client on PATH. Install Docker (Debian and Ubuntu: apt-get install docker.io; others: https://docs.docker.com/engine/install/), or run PostgreSQL without it: ODPM_RUNTIME=native in .env"}
}

// minCompose is the first compose that is a plugin of the client.
const minCompose = 2

// Available tells whether Docker can be used: the client, an engine that
// answers, the compose plugin. The error is *Unavailable. A context without a
// deadline gets one of 20 seconds: an engine behind a dead tunnel answers never.
func Available(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c := newClient(nil, "")
	if path, _ := c.composePlugin(); path != "" {
		// A plugin is version 2 at least; what else may be wrong with it, its first
		// command says.
		return engineAnswers(ctx, c)
	}
	var out string
	var err error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		out, err = c.output(ctx, "compose", "version", "--short")
	}()
	answers := engineAnswers(ctx, c)
	<-asked
	if answers != nil {
		return answers
	}
	if err != nil {
		return &Unavailable{"compose", "docker has no compose plugin (`docker compose version` fails). Install it (Debian's docker.io: apt-get install docker-compose; Docker's own packages: apt-get install docker-compose-plugin; others: https://docs.docker.com/compose/install/). The old docker-compose with a dash, version 1, is not enough"}
	}
	if n, ok := composeMajor(out); ok && n < minCompose {
		return &Unavailable{"compose", fmt.Sprintf("docker compose is version %s; odpm needs %d or newer: https://docs.docker.com/compose/install/", strings.TrimSpace(out), minCompose)}
	}
	return nil
}

// engineAnswers asks the engine itself where the way to it is known; what does
// not answer there is asked through the client, for its words.
func engineAnswers(ctx context.Context, c client) error {
	if _, err := exec.LookPath(Program); err != nil {
		return errNoClient()
	}
	if c.api.socket() != "" {
		if _, err := c.api.speaks(ctx, "version"); err == nil {
			return nil
		}
	}
	if _, err := c.output(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return engineDown(ctx, err)
	}
	return nil
}

// noEngine: there is nothing that could run a container. Without a client that
// is taken for granted; with one only where nobody listens on the local socket.
func noEngine(err error) bool {
	var u *Unavailable
	return errors.As(err, &u) && (u.Part == "client" || os.Getenv("DOCKER_HOST") == "" && strings.Contains(u.Message, "Is the docker daemon running"))
}

var versionNumber = regexp.MustCompile(`(\d+)\.\d+`)

// composeMajor reads "v5.6.0", "2.17.3-desktop.1"; what cannot be read (a
// build of somebody's) is not held against it.
func composeMajor(s string) (int, bool) {
	m := versionNumber.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// engineDown tells a missing right from a missing engine.
func engineDown(ctx context.Context, err error) error {
	said := err.Error()
	var f *Failure
	if errors.As(err, &f) {
		said = wording.LastLines(f.Stderr, 1)
	}
	var next string
	switch {
	case ctx.Err() != nil:
		said, next = "it does not answer", "To see why: docker info"
	case strings.Contains(strings.ToLower(said), "permission denied"):
		name := "USER"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		next = "Let this user use it, and log in again: sudo usermod -aG docker " + name
	case os.Getenv("DOCKER_HOST") != "":
		next = "DOCKER_HOST=" + withoutSecret(os.Getenv("DOCKER_HOST")) + " points there; see: docker info"
	default:
		next = "Start it (sudo systemctl start docker, or Docker Desktop), then: docker info"
	}
	return &Unavailable{"engine", fmt.Sprintf("the Docker engine cannot be used: %s %s. To run PostgreSQL without Docker: ODPM_RUNTIME=native in .env", sentence(said), next)}
}

// sentence ends somebody else's words with one mark.
func sentence(s string) string {
	s = strings.TrimSuffix(s, "?.")
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// withoutSecret keeps a password that somebody put into a URL out of messages.
func withoutSecret(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if at := strings.LastIndex(rest, "@"); ok && at >= 0 {
		who, _, _ := strings.Cut(rest[:at], ":")
		return scheme + "://" + who + rest[at:]
	}
	return url
}
