package compose

import (
	"context"
	"path/filepath"
	"testing"
)

// The environment is the project's, and everything after goes by it: the
// loader's own COMPOSE_PROJECT_NAME made volumes of another project of it.
func TestMergeLeavesEnvironment(t *testing.T) {
	p := acme(t)
	doc, err := Build(Spec{Project: p})
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"COMPOSE_PROJECT_NAME": "shop"}
	if _, err := Merge(context.Background(), p.Dir, filepath.Join(p.Dir, FileName), doc, nil, env); err != nil {
		t.Fatal(err)
	}
	if env["COMPOSE_PROJECT_NAME"] != "shop" || len(env) != 1 {
		t.Errorf("%v", env)
	}
}
