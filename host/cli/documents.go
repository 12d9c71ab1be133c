package cli

import (
	"encoding/json"
	"slices"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/setup"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// The documents of --format json that are made here; docs/schemas has a schema
// for each. Lists are never null.

// runDoc is what a run of odpm did.
type runDoc struct {
	Version int                 `json:"schema_version"`
	Actions []report.ActionJSON `json:"actions"`
	Login   *loginDoc           `json:"login,omitempty"`
	URL     string              `json:"url,omitempty"`
}

type loginDoc struct {
	Role     string `json:"role"`
	PGMajor  int    `json:"pg_major"`
	Addr     string `json:"addr"`
	ProvenAt string `json:"proven_at"`
}

func (a *App) runJSON(done apply.Done) runDoc {
	doc := runDoc{Version: 1, Actions: report.ActionsJSON(done.Actions, a.secrets.Hide), URL: done.URL}
	if l := done.Login; l != nil {
		doc.Login = &loginDoc{ui.Clean(l.Role), l.PGMajor, l.Addr, snapshot.Stamp(l.At)}
	}
	return doc
}

// namesDoc is --get-dbs-list.
type namesDoc struct {
	Version   int      `json:"schema_version"`
	Databases []string `json:"databases"`
}

// initDoc is what init wrote.
type initDoc struct {
	Version int       `json:"schema_version"`
	Files   []fileDoc `json:"files"`
	Notes   []string  `json:"notes"`
}

type fileDoc struct {
	Name   string       `json:"name"`
	Change setup.Change `json:"change"`
	Detail string       `json:"detail,omitempty"`
}

func initJSON(rep setup.Report) initDoc {
	doc := initDoc{Version: 1, Files: []fileDoc{}, Notes: append([]string{}, rep.Notes...)}
	for _, f := range rep.Files {
		doc.Files = append(doc.Files, fileDoc{f.Name, f.Change, f.Detail})
	}
	return doc
}

// stopDoc is what stop stopped.
type stopDoc struct {
	Version int      `json:"schema_version"`
	Stopped []string `json:"stopped"`
}

func stopJSON(stopped []string) stopDoc { return stopDoc{1, append([]string{}, stopped...)} }

// explainDoc is one code, or all of them.
type explainDoc struct {
	Version int       `json:"schema_version"`
	Codes   []codeDoc `json:"codes"`
}

type codeDoc struct {
	Code  codes.Code `json:"code"`
	Means string     `json:"means"`
	Lost  string     `json:"lost"`
	First []string   `json:"first"`
	// Project is there where one code was asked for and there is a project that
	// can be read, or whose error has that code.
	Project *appliesDoc `json:"project,omitempty"`
}

// appliesDoc says whether a code applies to a project now, and with which words.
type appliesDoc struct {
	Applies bool     `json:"applies"`
	Lines   []string `json:"lines"`
}

func (a *App) explainJSON(entries []codes.Entry) explainDoc {
	doc := explainDoc{Version: 1, Codes: []codeDoc{}}
	for _, e := range entries {
		doc.Codes = append(doc.Codes, codeDoc{Code: e.Code, Means: e.Means, Lost: e.Lost, First: append([]string{}, e.First...)})
	}
	return doc
}

// doctorDoc is what doctor found.
type doctorDoc struct {
	Version  int          `json:"schema_version"`
	Findings []findingDoc `json:"findings"`
}

type findingDoc struct {
	Level string `json:"level"`
	Text  string `json:"text"`
	// Codes are what "odpm explain" knows it by.
	Codes []codes.Code `json:"codes,omitempty"`
}

func (a *App) doctorJSON(all []setup.Finding) doctorDoc {
	doc := doctorDoc{Version: 1, Findings: []findingDoc{}}
	for _, f := range all {
		doc.Findings = append(doc.Findings, findingDoc{f.Level.String(), ui.CleanLines(a.secrets.Hide(f.Text)), f.Codes})
	}
	return doc
}

// errorDoc is what is on stdout where a command whose format is JSON fails
// (docs/reference/exit-codes.md).
type errorDoc struct {
	Error failure `json:"error"`
}

type failure struct {
	Kind    string     `json:"kind"`
	Code    codes.Code `json:"code"`
	Message string     `json:"message"`
	Next    []string   `json:"next"`
}

// errorJSON: next are the commands and settings that help, the error's own, else
// those of its code.
func (a *App) errorJSON(err error, kind string) errorDoc {
	code := report.CodeOf(err, kind)
	_, next := ui.OneLine(err)
	if len(next) == 0 {
		if e, ok := codes.Find(string(code)); ok {
			next = e.First
		}
	}
	next = append([]string{}, slices.Clone(next)...)
	for i := range next {
		next[i] = ui.Clean(a.secrets.Hide(next[i]))
	}
	return errorDoc{failure{kind, code, ui.CleanLines(a.secrets.Hide(err.Error())), next}}
}

// writeJSON writes one document to stdout.
func (a *App) writeJSON(doc any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// textOrJSON reads the --format of a command whose results are words.
func textOrJSON(value string) (isJSON bool, err error) {
	return oneOf("--format", value, "text", "json")
}
