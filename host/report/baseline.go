package report

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/snapshot"
)

// Compared is one member of a login that was proven elsewhere, beside what the
// project says. State is same, differs, or unknown where the project, and this
// machine, do not know.
type Compared struct {
	Member string `json:"member"`
	State  string `json:"state"`
	Here   string `json:"here"`
	Proven string `json:"proven"`
}

// The states.
const (
	same    = "same"
	differs = "differs"
	unknown = "unknown"
)

// Differs says whether anything that was proven is not what the project says.
func (r Report) Differs() bool {
	return slices.ContainsFunc(r.Compared(), func(c Compared) bool { return c.State == differs })
}

// Compared compares the baseline, nil without one.
func (r Report) Compared() []Compared {
	b := r.Baseline
	if b == nil {
		return nil
	}
	here := r.Desired.Observed.Candidate.Cluster
	if last := r.World.Snapshot; last != nil {
		// What no server is here to say, the last login said.
		if here.SystemIdentifier == "" {
			here.SystemIdentifier = last.Cluster.SystemIdentifier
		}
		if here.PGMajor == 0 {
			here.PGMajor = last.Cluster.PGMajor
		}
	}
	if here.PGMajor == 0 && !r.Project.External {
		here.PGMajor = r.Project.PostgresMajor
	}
	all := []Compared{
		compared("system_identifier", here.SystemIdentifier, b.SystemIdentifier),
		compared("pg_major", number(here.PGMajor), number(b.PGMajor)),
		compared("app_role", r.Project.AppRole, b.AppRole),
		r.endpoint(b.Endpoint),
		compared("server", snapshot.ServerPrimary, b.Server),
		// What a project does not say: shown, and nothing to compare with.
		compared("pooler", "", strconv.FormatBool(b.Pooler)),
	}
	tls := ""
	if slices.Contains([]string{"require", "verify-ca", "verify-full"}, r.SSLMode(true)) {
		tls = "true"
	}
	return append(all, compared("tls", tls, strconv.FormatBool(b.TLS)))
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func compared(member, here, proven string) Compared {
	c := Compared{member, same, here, proven}
	switch {
	case here == "" || proven == "":
		c.State = unknown
	case here != proven:
		c.State = differs
	}
	return c
}

// endpoint compares with odoo.conf's db_host, any one of a list, where that is
// a server outside of compose: a service's name means nothing elsewhere.
func (r Report) endpoint(proven string) Compared {
	conf := r.Desired.Parsed
	if conf == nil || !r.Project.External {
		return compared("endpoint", "", proven)
	}
	list, _ := conf.Value("db_host", r.Project.OdooMajor)
	if list == "" || !libpq.ValidHost(list) {
		return compared("endpoint", "", proven)
	}
	port := compose.PostgresPort
	if n, ok, err := conf.Int("db_port", r.Project.OdooMajor); ok && err == nil {
		port = n
	}
	var here []string
	for _, host := range strings.Split(list, ",") {
		here = append(here, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	c := compared("endpoint", strings.Join(here, ","), proven)
	if slices.Contains(here, proven) {
		c.State = same
	}
	return c
}

func (r Report) writeBaseline(out io.Writer, paint func(ui.Style, string) string) {
	all := r.Compared()
	if all == nil {
		return
	}
	fmt.Fprintf(out, "Baseline, proven %s:\n", ui.Clean(r.Baseline.ProvenAt))
	for _, c := range all {
		text := c.Proven
		switch {
		case c.State == differs:
			text = c.Proven + ", here " + c.Here
		case c.Proven == "":
			text = "unknown, here " + c.Here
		}
		line := ui.Clean(fmt.Sprintf("  %-8s %-18s %s", c.State, c.Member, text))
		if c.State == differs {
			line = paint(ui.Red, line)
		}
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
}
