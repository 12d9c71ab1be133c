package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/shell"
)

// accessScript asks the kernel for the rights of the container's user, which
// knows about groups and access lists too, and writes nothing. Arguments are
// "w" or "r", one for each mount /odpm/N.
const accessScript = `n=0
for want; do
p=/odpm/$n
if [ "$want" = w ]; then [ -d "$p" ] && [ -w "$p" ] && [ -x "$p" ] || echo "no $n"
elif [ -d "$p" ]; then [ -r "$p" ] && [ -x "$p" ] || echo "no $n"
else [ -r "$p" ] || echo "no $n"
fi
n=$((n+1))
done
echo "asked $n"
sed "s/^/uid /" /proc/self/uid_map
sed "s/^/gid /" /proc/self/gid_map
`

// grants remembers whom nothing was denied, by image, user and paths as they were.
// A container is most of a second, and a run asks in each of its looks.
type grants struct {
	mu sync.Mutex
	by map[string]bool
}

func (g *grants) has(question string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.by[question]
}

func (g *grants) add(question string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]bool{}
	}
	g.by[question] = true
}

// asItIs stands for all that rights to a path depend on: whoever changes owner,
// mode or access list changes the time of the inode, too.
func asItIs(path string) (string, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return fmt.Sprint(st.Dev, st.Ino, st.Mode, st.Uid, st.Gid, st.Ctim), err
}

// CheckAccess tells what a user of an image cannot do with host paths, a line
// for each, with the command that changes it. What is allowed is not asked again
// while the paths stay as they are.
func (e *Reader) CheckAccess(ctx context.Context, image, user string, paths []engine.Access) ([]string, error) {
	img, err := e.inspectImage(ctx, image)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = img.Config.User
	}
	uid, gid, err := e.resolveUser(ctx, img.ID, user)
	if errors.Is(err, errNoUser) {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	who := fmt.Sprintf("%d:%d", uid, gid)
	run := oneOff{
		name: "odpm-access-" + token(), image: img.ID, user: who, entrypoint: "sh",
		options: []string{"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"},
		args:    []string{"-c", accessScript, "sh"},
	}
	if uid == 0 {
		// Root in a container reads and writes what is others', by capability.
		run.options = []string{"--read-only", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"}
	}
	var problems []string
	var asked []engine.Access
	question, known := img.ID+" "+who, true
	for _, a := range paths {
		is, err := asItIs(a.Path)
		if errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, a.Path+" does not exist")
			continue
		}
		known = known && err == nil
		question += fmt.Sprintf(" %q %v %s", a.Path, a.Write, is)
		run.mounts = append(run.mounts, "--mount", bindMount(a.Path, "/odpm/"+strconv.Itoa(len(asked)), !a.Write))
		want := "r"
		if a.Write {
			want = "w"
		}
		run.args = append(run.args, want)
		asked = append(asked, a)
	}
	if len(asked) == 0 || known && e.granted.has(question) {
		return problems, nil
	}
	missing := len(problems)
	out, _, err := e.runOneOff(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("find out what an image's user may access: %w", err)
	}
	if !strings.Contains(out, "asked "+strconv.Itoa(len(asked))) {
		return nil, fmt.Errorf("find out what an image's user may access: the answer is incomplete: %q", out)
	}
	for _, l := range strings.Split(out, "\n") {
		if n, ok := strings.CutPrefix(l, "no "); ok {
			if i, err := strconv.Atoi(n); err == nil && i < len(asked) {
				problems = append(problems, accessProblem(asked[i], who, onHost(out, uid, gid)))
			}
		}
	}
	if known && len(problems) == missing {
		e.granted.add(question)
	}
	return problems, nil
}

// onHost is uid:gid as this machine counts them, by what accessScript printed.
func onHost(out string, uid, gid int) string {
	var users, groups strings.Builder
	for _, l := range strings.Split(out, "\n") {
		if m, ok := strings.CutPrefix(l, "uid "); ok {
			users.WriteString(m + "\n")
		} else if m, ok := strings.CutPrefix(l, "gid "); ok {
			groups.WriteString(m + "\n")
		}
	}
	if u, ok := mapped(users.String(), uid); ok {
		uid = u
	}
	if g, ok := mapped(groups.String(), gid); ok {
		gid = g
	}
	return fmt.Sprintf("%d:%d", uid, gid)
}

// accessProblem names the user as the container does, and in the command as
// this machine does.
func accessProblem(a engine.Access, who, host string) string {
	_, gid, _ := strings.Cut(host, ":")
	path := shell.Quote(a.Path)
	// Not o+r: what is read here may hold a password.
	verb, next := "read", "sudo chgrp "+gid+" "+path+" && sudo chmod g+r "+path
	if a.Write {
		verb, next = "write in", "sudo chown -R "+host+" "+path
	}
	owner := ""
	if info, err := os.Stat(a.Path); err == nil {
		if u, g, ok := ownerOf(info); ok {
			owner = fmt.Sprintf(" (it belongs to %d:%d, mode %04o)", u, g, info.Mode().Perm())
		}
		if a.Write && !info.IsDir() {
			return fmt.Sprintf("%s is not a directory", a.Path)
		}
		if !a.Write && info.IsDir() {
			next = "sudo chmod o+rx " + path
		}
	}
	if host != who {
		who += " (" + host + " on this machine)"
	}
	return fmt.Sprintf("user %s in the container cannot %s %s%s; to change that: %s", who, verb, a.Path, owner, next)
}
