package datadir

import (
	"fmt"
	"path/filepath"

	"github.com/odpm/odpm/shared/shell"
)

// Problem is a layout that an image cannot use, with the ways out.
type Problem struct {
	Message string
	Ways    []string
}

// MountTarget is where the data path is mounted in the official image: up to
// 17 the data directory itself, from 18 on its parent, which holds
// <major>/docker (docker-library/postgres, 2025).
func MountTarget(imageMajor int) string {
	if imageMajor >= 18 {
		return "/var/lib/postgresql"
	}
	return "/var/lib/postgresql/data"
}

// PGData is the cluster's directory inside the official image.
func PGData(imageMajor int) string {
	if imageMajor >= 18 {
		return fmt.Sprintf("/var/lib/postgresql/%d/docker", imageMajor)
	}
	return "/var/lib/postgresql/data"
}

// LayoutProblem finds a cluster that lies where the image will not look. The
// official image 18 refuses such a directory with exit code 1 and leaves an
// "18" directory behind; an image up to 17 would silently start an empty
// cluster beside the data.
//
// sub is where POSTGRES_DATA_DIR says that the cluster is in a volume, "" for
// the image's own place.
func LayoutProblem(f Facts, imageMajor int, sub string) *Problem {
	if f.State != Initialised || imageMajor == 0 || f.ClusterDir == "" {
		return nil
	}
	want := "."
	if imageMajor >= 18 {
		want = filepath.Join(fmt.Sprint(imageMajor), "docker")
	}
	if sub != "" {
		if f.ClusterDir == sub {
			return nil
		}
		return &Problem{
			Message: fmt.Sprintf("POSTGRES_DATA_DIR says that the cluster is in %s of the volume, and it is in %s", sub, f.ClusterDir),
			Ways:    []string{"POSTGRES_DATA_DIR=volume:NAME in .env, without /" + sub + "        if the cluster is at the volume's root"},
		}
	}
	if f.ClusterDir == want || imageMajor != f.Major {
		// Another major is drift (postgres_major) and is reported there.
		return nil
	}
	if imageMajor >= 18 {
		at, target := filepath.Join(f.Path, f.ClusterDir), filepath.Join(f.Path, want)
		move := "mv " + shell.Quote(at) + " " + shell.Quote(target)
		if f.ClusterDir == "." {
			// A directory cannot be moved into itself.
			aside := f.Path + ".moving"
			move = "mv " + shell.Quote(f.Path) + " " + shell.Quote(aside) + " && mkdir -p " + shell.Quote(filepath.Dir(target)) + " && mv " + shell.Quote(aside) + " " + shell.Quote(target)
		} else {
			move = "mkdir -p " + shell.Quote(filepath.Dir(target)) + " && " + move
		}
		return &Problem{
			Message: fmt.Sprintf("the cluster is at %s, but images from 18 on keep it in %s below the mounted directory", at, want),
			Ways:    []string{"with PostgreSQL stopped, move it as root (owner and mode stay): " + move},
		}
	}
	return &Problem{
		Message: fmt.Sprintf("the cluster is in %q below %s, but images up to 17 mount the cluster's directory itself; the image would start a NEW EMPTY cluster beside it", f.ClusterDir, f.Path),
		Ways:    []string{"point .env at the cluster itself: POSTGRES_DATA_DIR=" + filepath.Join(f.Path, f.ClusterDir)},
	}
}
