package handoff

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/snapshot"
)

// What Load can find, for errors.Is.
var (
	ErrMissing = errors.New("no hand-off")
	ErrInvalid = errors.New("hand-off is not valid")
)

// document is checker.json.
type document struct {
	Version   int             `json:"version"`
	ID        string          `json:"id"`
	OdooMajor int             `json:"odoo_major,omitempty"`
	Candidate json.RawMessage `json:"candidate"`
}

// Identify hashes what a login would prove: the candidate and the bytes of
// odoo.conf. When it was recorded, what the server said and an earlier id are
// not part of it, so that the same project always has the same id.
func Identify(candidate *snapshot.Snapshot, odooConf []byte) (string, error) {
	b, err := plain(candidate).Encode()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "odpm hand-off %d\n%d\n", Version, len(b))
	h.Write(b)
	h.Write(odooConf)
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// plain is the candidate without what does not belong to a project's wishes.
func plain(c *snapshot.Snapshot) *snapshot.Snapshot {
	p := c.Clone()
	p.RecordedAt = time.Unix(0, 0)
	p.HandoffID, p.StartID = "", ""
	p.Cluster = snapshot.Cluster{AppRole: c.Cluster.AppRole, DataDirNonempty: true}
	return p
}

// Encode writes checker.json, the same bytes for the same hand-off.
func (h *Handoff) Encode() ([]byte, error) {
	c, err := plain(&h.Candidate).Encode()
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(document{Version, h.ID, h.OdooMajor, c}, "", "  ")
	return append(b, '\n'), err
}

// Decode reads checker.json. Members that it does not know are for a newer
// checker: the contract is additive, and an image with an older checker in it
// has to keep working under a newer odpm. A change of meaning is another
// version.
func Decode(data []byte) (*Handoff, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	var d document
	if err := dec.Decode(&d); err != nil {
		place, why := jsonpos.Explain(data, err)
		return nil, fmt.Errorf("%w: %s%s", ErrInvalid, place, why)
	}
	end := int(dec.InputOffset())
	if _, err := dec.Token(); err != io.EOF {
		rest := bytes.TrimLeft(data[end:], " \t\r\n")
		return nil, fmt.Errorf("%w: %ssomething follows the object", ErrInvalid, jsonpos.At(data, len(data)-len(rest)))
	}
	switch {
	case d.Version != Version:
		return nil, fmt.Errorf("%w: %sversion %d, this program knows %d: odpm and odpm-checker must be of one release", ErrInvalid, jsonpos.Value(data, "version"), d.Version, Version)
	case d.ID == "":
		return nil, fmt.Errorf("%w: %sid is missing", ErrInvalid, jsonpos.Value(data, "id"))
	case d.OdooMajor < 0:
		return nil, fmt.Errorf("%w: %sodoo_major is %d; allowed: 0 and more", ErrInvalid, jsonpos.Value(data, "odoo_major"), d.OdooMajor)
	case len(d.Candidate) == 0 || string(d.Candidate) == "null":
		return nil, fmt.Errorf("%w: %scandidate is missing", ErrInvalid, jsonpos.Value(data, "candidate"))
	}
	c, err := snapshot.DecodeMember(data, "candidate", d.Candidate)
	if err != nil {
		return nil, fmt.Errorf("%w: candidate: %w", ErrInvalid, err)
	}
	return &Handoff{Version: d.Version, ID: d.ID, OdooMajor: d.OdooMajor, Candidate: *c}, nil
}

// Load reads checker.json from dir (RuntimeDir in a container).
func Load(dir string) (*Handoff, error) {
	path := filepath.Join(dir, FileName)
	data, err := regular.Read(path, snapshot.MaxSize)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	h, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// Save writes checker.json into dir durably. The directory is what is
// mounted: a file mounted by itself would go stale with the rename.
func Save(dir string, h *Handoff) error {
	b, err := h.Encode()
	if err != nil {
		return err
	}
	// The checker reads strictly: a setting that it would refuse is reported here.
	if _, err := Decode(b); err != nil {
		return fmt.Errorf("%s could not be read again: %w", FileName, err)
	}
	return durable.WriteFile(filepath.Join(dir, FileName), b, 0o644)
}
