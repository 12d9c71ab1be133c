package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
)

// AdoptionFile remembers how a stack was before it was taken over.
const AdoptionFile = "adoption.json"

// Adoption is what a takeover has changed, written before it changes anything.
type Adoption struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	// File is the compose file that was taken over, Files all that make its
	// document, Dir and Project compose's.
	File    string   `json:"file"`
	Files   []string `json:"files"`
	Dir     string   `json:"dir"`
	Project string   `json:"project"`
	Keep    bool     `json:"keep,omitempty"`
	// Postgres is PostgreSQL's service, "" where it runs elsewhere.
	Postgres string `json:"postgres,omitempty"`
	// Ran are the services that ran.
	Ran []string `json:"ran,omitempty"`
	// Images are what the services are started from, without those that compose builds.
	Images map[string]string `json:"images,omitempty"`
	// Before are the files as they were.
	Before []FileBefore `json:"before"`
	// Copied are the directories that data was copied to.
	Copied []string `json:"copied,omitempty"`
	// Pins are the anonymous volumes of the old containers.
	Pins []Pin `json:"pins,omitempty"`
	// Containers are the old ones by service, the engine's IDs. Layers are the
	// services that have their data in the container itself.
	Containers map[string]string `json:"containers,omitempty"`
	Layers     []string          `json:"layers,omitempty"`
	// Done: everything but the start was done. Proven: the new login was.
	Done   bool `json:"done,omitempty"`
	Proven bool `json:"proven,omitempty"`
}

// FileBefore is a file before it was written; Is is nil where there was none.
type FileBefore struct {
	Path string      `json:"path"`
	Is   []byte      `json:"is"`
	Had  bool        `json:"had"`
	Mode os.FileMode `json:"mode,omitempty"`
	UID  int         `json:"uid,omitempty"`
	GID  int         `json:"gid,omitempty"`
}

// AsIs is a file as it is now; content is nil where there is none.
func AsIs(path string, content []byte) FileBefore {
	b := FileBefore{Path: path, Is: content, Had: content != nil}
	if info, err := os.Stat(path); err == nil {
		b.Mode = info.Mode().Perm()
		b.UID, b.GID = Owner(info)
	}
	return b
}

// Owner of a file, -1 where the system does not say.
func Owner(info os.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// Pin is an anonymous volume and where a service had it.
type Pin struct {
	Service     string `json:"service"`
	Volume      string `json:"volume"`
	Destination string `json:"destination"`
}

// Adoption reads it, nil where nothing was taken over.
func (d Dirs) Adoption() (*Adoption, error) {
	data, err := d.Read(AdoptionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var a Adoption
	if err == nil {
		err = jsonpos.Unmarshal(data, &a)
	}
	if err != nil {
		return nil, fmt.Errorf("the record of the stack as it was before odpm adopt cannot be read (%w). Without it odpm adopt --undo cannot restore that stack. To continue without it, %s",
			err, MoveAside(filepath.Join(d.State(), AdoptionFile)))
	}
	return &a, nil
}

// KeepAdoption writes it.
func (d Dirs) KeepAdoption(a *Adoption) error {
	a.Version = 1
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	// The files may hold passwords.
	return durable.WriteFile(filepath.Join(d.State(), AdoptionFile), append(data, '\n'), 0o600)
}

// ForgetAdoption removes it.
func (d Dirs) ForgetAdoption() error {
	err := os.Remove(filepath.Join(d.State(), AdoptionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
