package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// shellIn is a shell on a pseudo-terminal that has odpm's completion.
type shellIn struct {
	// args start it; setup is typed first, %s is the directory of completions.
	args  []string
	setup string
}

var shells = map[string]shellIn{
	"bash": {[]string{"bash", "--norc", "--noprofile", "-i"}, ". /usr/share/bash-completion/bash_completion; . %s/odpm.bash; bind 'set bell-style none'"},
	"zsh":  {[]string{"zsh", "-f", "-i"}, "fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep"},
	"fish": {[]string{"fish", "--no-config", "-i"}, "source %s/odpm.fish"},
}

// TestTab: what a person gets who types the beginning and presses TAB.
func TestTab(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "tar --strip-components 1 -xzf "+one(t, "odpm_*_linux_amd64.tar.gz"))
	project := t.TempDir()
	sh(t, project, dir+"/odpm init 2>&1; mkdir backups subfolder; printf 'BACKUP_DIR=%s/backups\\n' \"$PWD\" >> .env; touch backups/nightly.zip; "+
		"mkdir -p addons/shop_loyalty; echo '{}' > addons/shop_loyalty/__manifest__.py")
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			for _, tc := range []struct{ typed, want string }{
				{"odpm doc", "odpm doctor"},
				{"odpm database ver", "odpm database verify"},
				{"odpm database verify nig", "odpm database verify nightly.zip"},
				{"odpm plan --plan-format js", "odpm plan --plan-format json"},
				{"odpm plan --format js", "odpm plan --format json"},
				{"odpm database list --format js", "odpm database list --format json"},
				{"odpm --accept-database-drift odpm_", "odpm --accept-database-drift odpm_scenario"},
				{"odpm -d x --db-backup --format te", "--format text"},
				{"odpm explain data_p", "odpm explain data_path"},
				{"odpm --color alw", "odpm --color always"},
				{"odpm --progress pl", "odpm --progress plain"},
				{"odpm --db-restore nig", "odpm --db-restore nightly.zip"},
				{"odpm -C subf", "odpm -C subfolder"},
				{"odpm -i shop_l", "odpm -i shop_loyalty"},
				{"odpm -u shop_l", "odpm -u shop_loyalty"},
			} {
				if got, ok := tab(t, shell, dir, project, tc.typed, tc.want); !ok {
					t.Errorf("%s<TAB>: there is no %q in\n%q", tc.typed, tc.want, got)
				}
			}
		})
	}
}

// tab types into a fresh shell and waits until the line that it shows has what
// is wanted.
func tab(t *testing.T, shell shellIn, dir, project, typed, want string) (string, bool) {
	t.Helper()
	cmd := exec.Command(shell.args[0], shell.args[1:]...)
	cmd.Dir = project
	cmd.Env = append(os.Environ(), "TERM=dumb", "PS1=READY> ", "HOME="+project, "LC_ALL=C.UTF-8", "PATH="+dir+":"+os.Getenv("PATH"))
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		tty.Close()
		cmd.Wait()
	}()
	screen := &shown{}
	go screen.read(tty)
	setup := strings.ReplaceAll(shell.setup, "%s", filepath.Join(dir, "completions"))
	if _, err := tty.WriteString(setup + "; echo set'' up\r"); err != nil {
		t.Fatal(err)
	}
	if got, ok := screen.has("set up", 60*time.Second); !ok {
		t.Fatalf("%s did not start: %q", shell.args[0], got)
	}
	screen.clear()
	if _, err := tty.WriteString(typed + "\t"); err != nil {
		t.Fatal(err)
	}
	return screen.has(want, 60*time.Second)
}

// shown is what a terminal was sent, without its control sequences.
type shown struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shown) read(tty *os.File) {
	var chunk [4096]byte
	for {
		n, err := tty.Read(chunk[:])
		s.mu.Lock()
		s.b.Write(chunk[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *shown) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}

// has waits for a text.
func (s *shown) has(text string, within time.Duration) (string, bool) {
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		got := plain(s.b.String())
		s.mu.Unlock()
		if strings.Contains(got, text) {
			return got, true
		}
		if time.Now().After(end) {
			return got, false
		}
	}
}

// plain leaves out escape sequences and carriage returns, and carries out
// backspaces, as a terminal does.
func plain(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == '[':
			for i += 2; i < len(s) && (s[i] < '@' || s[i] > '~'); i++ {
			}
		case s[i] == '\x1b' && i+1 < len(s) && s[i+1] == ']':
			for ; i < len(s) && s[i] != '\a' && !strings.HasPrefix(s[i:], "\x1b\\"); i++ {
			}
		case s[i] == '\b' && len(out) > 0:
			out = out[:len(out)-1]
		case s[i] == '\r' || s[i] == '\a' || s[i] == '\x1b' || s[i] == '\b':
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}
