package snapshot

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/odpm/odpm/shared/jsonpos"
)

// ProvenVersion is the only version of a Proven that this program writes.
const ProvenVersion = 1

// MaxProven is the size of a Proven at most: what Kubernetes keeps of a
// termination message.
const MaxProven = 4 << 10

// Proven is what a login proved, small enough for /dev/termination-log, where
// no volume brings last_run.json back. It holds no secret.
type Proven struct {
	// Version is ProvenVersion.
	Version int `json:"proven_version"`
	// ProvenAt is written as recorded_at is.
	ProvenAt string `json:"proven_at"`
	// HandoffID is the hand-off's, "" without one.
	HandoffID string `json:"handoff_id,omitempty"`
	AppRole   string `json:"app_role"`
	PGMajor   int    `json:"pg_major"`
	// SystemIdentifier is as in Cluster, "" where the role may not ask.
	SystemIdentifier string `json:"system_identifier,omitempty"`
	// Endpoint is where the login went, by the name that was given: "pg-rw:5432".
	Endpoint string `json:"endpoint"`
	// Server is "primary" or "standby".
	Server string `json:"server"`
	Pooler bool   `json:"pooler"`
	TLS    bool   `json:"tls"`
}

// The values of Proven.Server.
const (
	ServerPrimary = "primary"
	ServerStandby = "standby"
)

// EncodeProven gives one line.
func EncodeProven(p *Proven) ([]byte, error) {
	data, err := json.Marshal(p)
	if err == nil && len(data) >= MaxProven {
		err = fmt.Errorf("it would take %d bytes; the limit is %d", len(data)+1, MaxProven)
	}
	return append(data, '\n'), err
}

// DecodeProven reads one that came from elsewhere: untrusted, like last_run.json.
func DecodeProven(r io.Reader) (*Proven, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxProven+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxProven {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxProven)
	}
	if strings.TrimSpace(string(data)) == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	if _, err := members(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	p := &Proven{}
	if err := jsonpos.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	// bad names the place of a member's value.
	bad := func(name, format string, args ...any) error {
		return fmt.Errorf("%w: %s%s", ErrInvalid, jsonpos.Value(data, name), fmt.Sprintf(format, args...))
	}
	switch {
	case p.Version > ProvenVersion:
		return nil, fmt.Errorf("%w: proven_version %d, this program knows %d", ErrNewer, p.Version, ProvenVersion)
	case p.Version < 1:
		return nil, bad("proven_version", "proven_version is missing")
	case p.PGMajor < 1 || p.PGMajor > 999:
		return nil, bad("pg_major", "pg_major is %d, allowed: 1 to 999", p.PGMajor)
	case p.Server != ServerPrimary && p.Server != ServerStandby:
		return nil, bad("server", "server is neither primary nor standby")
	}
	if _, err := parseTime(p.ProvenAt); err != nil {
		return nil, bad("proven_at", "proven_at is not a time such as 2006-01-02T15:04:05+00:00")
	}
	for _, m := range []struct{ name, text string }{
		{"handoff_id", p.HandoffID}, {"app_role", p.AppRole}, {"system_identifier", p.SystemIdentifier}, {"endpoint", p.Endpoint},
	} {
		if !Printable(m.text) {
			return nil, bad(m.name, "%s holds a control character", m.name)
		}
	}
	return p, nil
}

// StampProven is Stamp of now, for Proven.ProvenAt.
func StampProven() string { return Stamp(time.Now()) }
