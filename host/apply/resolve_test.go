package apply

import "testing"

func TestCommandLine(t *testing.T) {
	s := &Run{Args: []string{"-C", "/srv/my project", "--skip-start"}}
	if got := s.commandLine(nil); got != "odpm -C '/srv/my project' --skip-start" {
		t.Error(got)
	}
}
