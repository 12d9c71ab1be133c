package typed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// asked are docker's own answers about command lines, by the words.
var asked sync.Map

// Docker has docker's own client, compose among it, parse each docker command of
// the text. No engine is asked: a --help behind the command's name has the client
// look at the flags and print its usage.
func Docker(text string) error {
	commands, err := Words(text)
	if err != nil {
		return err
	}
	for _, words := range commands {
		at := slices.Index(words, "docker")
		if at != 0 {
			continue
		}
		argv := withHelp(words)
		key := strings.Join(argv, "\x00")
		answer, known := asked.Load(key)
		if !known {
			answer = askClient(argv)
			asked.Store(key, answer)
		}
		if err, _ := answer.(error); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	return nil
}

// grouping are docker's commands that have commands.
var grouping = []string{"compose", "volume", "context", "stack", "service", "image", "container", "network", "swarm", "system", "buildx"}

// withHelp puts --help behind the name of the command, where its flags are still
// parsed and its operands are not.
func withHelp(words []string) []string {
	at := 1
	if at < len(words) && slices.Contains(grouping, words[at]) {
		for at++; at < len(words) && strings.HasPrefix(words[at], "-"); at++ {
			if slices.Contains([]string{"-p", "-f", "--profile", "--env-file", "--project-directory", "--project-name", "--file"}, words[at]) {
				at++
			}
		}
	}
	return slices.Insert(slices.Clone(words), min(at+1, len(words)), "--help")
}

func askClient(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=tcp://127.0.0.1:1", "DOCKER_CONTEXT=")
	out, err := cmd.CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, first)
	case !strings.HasPrefix(first, "Usage:"):
		return fmt.Errorf("docker says %q", first)
	case strings.HasSuffix(strings.TrimSpace(first), " COMMAND"):
		return errors.New("docker has no such command")
	}
	return nil
}
