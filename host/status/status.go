// Package status is `odpm database status`: what is there, asked live.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/login"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/snapshot"
)

// Status is one answer.
type Status struct{ v *look.View }

// New looks and writes nothing.
func New(ctx context.Context, o look.Options) (*Status, error) {
	v, err := look.At(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Status{v}, nil
}

// version is the schema version of the JSON form.
const version = 1

type document struct {
	Version  int `json:"schema_version"`
	Compose  any `json:"compose"`
	OdooConf any `json:"odoo_conf"`
	Cluster  any `json:"cluster"`

	Engine         string             `json:"engine"`
	LastRunPresent bool               `json:"last_run_present"`
	LastRun        any                `json:"last_run"`
	Running        *bool              `json:"postgres_container_running"`
	Ready          *bool              `json:"postgres_ready"`
	RolePresent    *bool              `json:"app_role_present"`
	Login          *loginDoc          `json:"login"`
	FirstRun       bool               `json:"first_run"`
	Drifts         []report.DriftJSON `json:"drifts"`
	Blocking       bool               `json:"blocking"`
	Problems       []string           `json:"problems"`
	Warnings       []string           `json:"warnings"`
	LastBackup     *receipts.Brief    `json:"last_backup"`
	LastProven     *receipts.Brief    `json:"last_proven"`
}

// loginDoc is a login as the application role, tried now over TCP.
type loginDoc struct {
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
	// Cause is one of cluster's, where a login was refused.
	Cause string `json:"cause,omitempty"`
}

// build probes what Load did not.
func (st *Status) build(ctx context.Context) document {
	v, w, o := st.v, st.v.World, st.v.Desired.Observed
	members := map[string]json.RawMessage{}
	if data, err := o.Candidate.Encode(); err == nil {
		_ = json.Unmarshal(data, &members)
	}
	doc := document{
		Version: version, Compose: members["compose"], OdooConf: members["odoo_conf"], Cluster: members["cluster"],
		Engine: v.Readers.Kind, LastRunPresent: w.Snapshot != nil, FirstRun: w.Snapshot == nil,
		Running: o.Running, Ready: o.Ready, RolePresent: o.AppRolePresent,
		Drifts: []report.DriftJSON{}, Blocking: v.Plan.Blocking(), Problems: []string{}, Warnings: []string{},
	}
	if w.Snapshot != nil {
		if data, err := w.Snapshot.Encode(); err == nil {
			doc.LastRun = json.RawMessage(data)
		}
	}
	doc.Drifts = report.DriftsJSON(drift.Changes(v.Plan.Drifts))
	for _, r := range v.Plan.Refusals {
		doc.Problems = append(doc.Problems, ui.CleanLines(r.Err.Error()))
	}
	for _, w := range v.Plan.Warnings {
		doc.Warnings = append(doc.Warnings, ui.Clean(w))
	}
	proof, unread := st.proof()
	for _, w := range receipts.Warnings(unread) {
		doc.Warnings = append(doc.Warnings, ui.Clean(w))
	}
	doc.LastBackup, doc.LastProven = proof.LastBackup.Brief(), proof.LastProven.Brief()
	if o.Ready != nil && *o.Ready {
		doc.Login = &loginDoc{OK: true}
		if err := v.Login(ctx); err != nil {
			doc.Login.OK, doc.Login.Message = false, ui.CleanLines(err.Error())
			var refused *login.Refused
			if errors.As(err, &refused) {
				doc.Login.Cause = refused.Cause
			}
		}
	}
	return doc
}

// proof is of the newest backup of all databases.
func (st *Status) proof() (newest receipts.Proof, unread []error) {
	all, unread := receipts.All(st.v.Dirs.State())
	for _, p := range receipts.Proofs(all) {
		newest.LastBackup = receipts.Newer(newest.LastBackup, p.LastBackup)
		newest.LastProven = receipts.Newer(newest.LastProven, p.LastProven)
	}
	return newest, unread
}

// WriteJSON is the contract of docs/reference/status-json.md.
func (st *Status) WriteJSON(ctx context.Context, out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(st.build(ctx))
}

// WriteTable shows it to a person.
func (st *Status) WriteTable(ctx context.Context, out io.Writer, color bool) {
	v, w, o, doc := st.v, st.v.World, st.v.Desired.Observed, st.build(ctx)
	p := v.Project
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, ui.Clean(fmt.Sprintf(format, args...)))
	}
	row("Project", "%s (compose project %s, scenario %s)", p.Dir, p.Name, p.Scenario)
	row("Engine", "%s", wording.OrUnset(v.Readers.Kind))
	if p.External {
		row("Server", "%s, which odpm does not run: %s", strings.TrimPrefix(v.DataName(), "the server at "), o.Data.Describe())
	} else {
		row("Service", "%s, port %d on this machine, image %s", p.ServiceName, p.PostgresPort, p.PostgresImage)
		row("Data", "%s: %s", v.DataName(), o.Data.Describe())
	}
	row("PostgreSQL", "%s", runningText(doc))
	if id := o.SystemIdentifier; id != "" {
		row("Cluster", "system_identifier %s", id)
	}
	conf := o.Candidate.OdooConf
	row("odoo.conf", "db_host %s, db_port %d, db_user %s", wording.OrUnset(conf.DBHost), conf.DBPort, conf.DBUser)
	row("Role", "%s: %s", p.AppRole, roleText(doc.RolePresent))
	if w.Snapshot != nil {
		row("Last run", "%s, as %s on %s", snapshot.Stamp(w.Snapshot.RecordedAt), w.Snapshot.OdooConf.DBUser, w.Snapshot.Compose.ServiceName)
	} else {
		row("Last run", "none recorded; the first start adopts the cluster")
	}
	if proof, _ := st.proof(); proof != (receipts.Proof{}) {
		row("Backups", "%s", proof)
	}
	if doc.Login != nil {
		if doc.Login.OK {
			row("Login", "works over TCP as %s", p.AppRole)
		} else {
			row("Login", "refused, see below")
		}
	}
	tw.Flush()
	paint := func(style ui.Style, text string) string { return ui.Paint(color, style, text) }
	if ds := drift.Changes(v.Plan.Drifts); len(ds) > 0 {
		fmt.Fprintln(out, "\nDrift:")
		report.WriteDrifts(out, color, ds, v.Plan.Accepted)
	}
	if doc.Login != nil && !doc.Login.OK {
		fmt.Fprintf(out, "\n%s %s\n", paint(ui.Red, "Login:"), doc.Login.Message)
	}
	for _, prob := range doc.Problems {
		fmt.Fprintf(out, "\n%s %s\n", paint(ui.Red, "Refused:"), prob)
	}
	for _, w := range doc.Warnings {
		fmt.Fprintf(out, "%s %s\n", paint(ui.Yellow, "Warning:"), w)
	}
	if line := report.ExplainCodes(report.InTheWay(v.Plan)); line != "" {
		fmt.Fprintf(out, "\n%s\n", line)
	}
}

func runningText(d document) string {
	switch {
	case d.Running == nil:
		return "unknown; no engine was asked"
	case !*d.Running:
		return "is not running; start it: odpm"
	case d.Ready != nil && !*d.Ready:
		return "is running but does not accept connections yet"
	}
	return "is running and accepts connections"
}

func roleText(present *bool) string {
	switch {
	case present == nil:
		return "unknown, PostgreSQL could not be asked"
	case *present:
		return "present"
	}
	return "missing; create it: odpm database ensure-role"
}
