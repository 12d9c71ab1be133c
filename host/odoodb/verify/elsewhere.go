package verify

import (
	"fmt"
	"slices"
	"strings"
)

// Elsewhere are files of attachments that are in no file store: modules such as
// OCA's fs_attachment and Camptocamp's attachment_s3 keep them in a storage of
// their own, and store_fname names it as "s3://bucket/name" or "code://name".
// odpm neither reads nor writes there, so such a file is never missing.
type Elsewhere struct {
	// Files is how many there are.
	Files int
	// Storages are what comes before "://", sorted; no more than maxStorages.
	Storages []string
}

// String is "3 files of attachments in odoofs://, s3://", "" for none.
func (e Elsewhere) String() string {
	if e.Files == 0 {
		return ""
	}
	what := "files of attachments"
	if e.Files == 1 {
		what = "file of an attachment"
	}
	names := make([]string, len(e.Storages))
	for i, s := range e.Storages {
		names[i] = s + "://"
	}
	return fmt.Sprintf("%d %s in %s", e.Files, what, Few(names))
}

// maxStorages is far more than one database has.
const maxStorages = 20

// storageOf gives the storage that a store_fname names; ok is false for a file in
// the file store. No path of a file has two slashes in a row, and no storage one.
func storageOf(name string) (storage string, ok bool) {
	storage, _, ok = strings.Cut(name, "://")
	return storage, ok && storage != "" && !strings.Contains(storage, "/")
}

// elsewhereNames counts them as they come.
type elsewhereNames struct {
	names    storedNames
	storages []string
}

func (e *elsewhereNames) add(storage, name string) {
	e.names.absentName(name)
	if len(e.storages) < maxStorages && !slices.Contains(e.storages, storage) {
		e.storages = append(e.storages, storage)
	}
}

func (e *elsewhereNames) all() Elsewhere {
	slices.Sort(e.storages)
	return Elsewhere{e.names.missing(), e.storages}
}
