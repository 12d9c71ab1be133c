package native_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine/native"
)

// starterEnv makes the test binary a process that starts a server, so that it
// can be killed.
const starterEnv = "ODPM_TEST_STARTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterEnv); dir != "" {
		port, _ := strconv.Atoi(os.Getenv(starterEnv + "_PORT"))
		native.New(native.Options{DataDir: dir, Major: 15, Port: port, StateDir: filepath.Dir(dir)}).Start(context.Background())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// begun waits until initdb has written PG_VERSION.
func begun(t *testing.T, o native.Options) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(o.DataDir, "PG_VERSION")); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("initdb did not begin")
		}
	}
}

// A first start that is cut short in initdb is begun again by the next.
func TestInitdbCutShort(t *testing.T) {
	works := func(t *testing.T, o native.Options) {
		t.Helper()
		startStop(deadline(t), t, native.New(o))
		if f := datadir.Look(o.DataDir, 15); f.State != datadir.Initialised {
			t.Errorf("%+v", f)
		}
		if left, err := filepath.Glob(filepath.Join(o.StateDir, "initdb*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	t.Run("Ctrl-C", func(t *testing.T) {
		e, o := newEngine(t)
		ctx, cancel := context.WithCancel(deadline(t))
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				if _, err := os.Stat(filepath.Join(o.DataDir, "PG_VERSION")); err == nil {
					cancel()
				}
				time.Sleep(time.Millisecond)
			}
		}()
		if err := e.Start(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if f := datadir.Look(o.DataDir, 15); f.State != datadir.Empty {
			t.Errorf("initdb did not clean up: %+v", f)
		}
		works(t, o)
	})
	for name, alone := range map[string]bool{"killed": true, "killed, with initdb": false} {
		t.Run(name, func(t *testing.T) {
			_, o := newEngine(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), starterEnv+"="+o.DataDir, starterEnv+"_PORT="+strconv.Itoa(o.Port))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			begun(t, o)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if !alone {
				killInitdb(t, o.DataDir)
			}
			if f, err := native.New(o).Look(context.Background()); err != nil || f.State != datadir.Empty {
				t.Errorf("between: %+v %v", f, err)
			}
			// An initdb that outlived its odpm has a single-user session.
			for end := time.Now().Add(2 * time.Second); alone && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if h, err := native.New(o).Holders(context.Background()); err != nil || len(h) != 0 {
					t.Fatalf("between: %+v %v", h, err)
				}
			}
			works(t, o)
		})
	}
}

// killInitdb ends an initdb, and what it started, as a power cut does.
func killInitdb(t *testing.T, dataDir string) {
	t.Helper()
	cmdlines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range cmdlines {
		line, _ := os.ReadFile(path)
		if !strings.Contains(string(line), "initdb\x00-D\x00"+dataDir) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, err := os.ReadFile(path); err != nil {
				return
			}
		}
	}
}

// What an initdb left that was not ours is refused, with a command that helps;
// what somebody has used is theirs, mark or not.
func TestUnfinishedOfOthers(t *testing.T) {
	ctx := deadline(t)
	e, o := stopped(ctx, t)
	control := filepath.Join(o.DataDir, "global", "pg_control")
	if err := os.Rename(control, control+".aside"); err != nil {
		t.Fatal(err)
	}
	err := e.Start(ctx)
	if err == nil || !strings.Contains(err.Error(), "sudo mv '"+o.DataDir+"' '"+o.DataDir+".unfinished'") {
		t.Fatalf("without pg_control: %v", err)
	}
	if err := os.Rename(o.DataDir, o.DataDir+".unfinished"); err != nil {
		t.Fatal(err)
	}
	startStop(ctx, t, e)
	// A mark that a crash left, and a database that was made since.
	info, err := os.Stat(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	mark := strconv.FormatUint(uint64(st.Dev), 10) + ":" + strconv.FormatUint(st.Ino, 10)
	if err := errors.Join(os.WriteFile(filepath.Join(o.StateDir, "initdb"), []byte(mark), 0o600), os.Mkdir(filepath.Join(o.DataDir, "base", "16384"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if f, err := e.Look(ctx); err != nil || f.State != datadir.Initialised {
		t.Errorf("used since: %+v %v", f, err)
	}
}
