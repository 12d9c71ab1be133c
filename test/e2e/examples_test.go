package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v4"
)

// ciJob is as much of GitHub's workflows and of GitLab's jobs as says what is
// executed.
type ciJob struct {
	Env       map[string]string
	Variables map[string]string
	Steps     []struct{ Run string }
	Script    []string
}

// job FILE runs the shell parts of a CI file as the service does: bash -e, one
// after the other, with the job's variables where the script does not set them.
func job(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: job FILE")
	}
	var top map[string]yaml.Node
	ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(args[0])), &top))
	jobs := map[string]ciJob{}
	if workflow, ok := top["jobs"]; ok {
		ts.Check(workflow.Decode(&jobs))
	} else {
		for name, node := range top {
			var one ciJob
			ts.Check(node.Decode(&one))
			jobs[name] = one
		}
	}
	if len(jobs) != 1 {
		ts.Fatalf("%s has %d jobs", args[0], len(jobs))
	}
	for _, one := range jobs {
		for _, variables := range []map[string]string{one.Env, one.Variables} {
			for key, value := range variables {
				if ts.Getenv(key) == "" && !strings.Contains(value, "${{") {
					ts.Setenv(key, value)
				}
			}
		}
		scripts := one.Script
		for _, step := range one.Steps {
			if step.Run != "" {
				scripts = append(scripts, step.Run)
			}
		}
		if len(scripts) == 0 {
			ts.Fatalf("%s executes nothing", args[0])
		}
		var err error
		for _, text := range scripts {
			if err = ts.Exec("bash", "-eo", "pipefail", "-c", text); err != nil {
				break
			}
		}
		if (err != nil) != neg {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}

// unit FILE INSTANCE runs the commands of a systemd service, with the variables
// that the script sets in its EnvironmentFile's place.
func unit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unit FILE INSTANCE")
	}
	ran := 0
	for _, m := range regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		words := strings.Fields(strings.ReplaceAll(m[1], "%i", args[1]))
		for i, word := range words {
			words[i] = os.Expand(word, ts.Getenv)
		}
		if !filepath.IsAbs(words[0]) {
			ts.Fatalf("%s: systemd wants an absolute path", words[0])
		}
		ts.Check(ts.Exec(filepath.Join(bin, filepath.Base(words[0])), words[1:]...))
		ran++
	}
	if ran == 0 {
		ts.Fatalf("%s starts nothing", args[0])
	}
}
