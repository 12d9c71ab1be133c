package sqldump

import (
	"fmt"
	"slices"
)

// superuserOnly judges what only a superuser may make and nothing else in a
// database is built on: event triggers, subscriptions, and publications of
// everything. Odoo makes none of them; who watches or replicates the original
// does, and a restored database is not the original. With them the archive of
// an otherwise ordinary database could not be restored at all.
func superuserOnly(t []string) (v Verdict, found bool) {
	verb, t := t0(t), t[min(1, len(t)):]
	if verb == "comment" && t0(t) == "on" {
		t = t[1:]
	}
	if !slices.Contains([]string{"create", "alter", "comment"}, verb) {
		return Verdict{}, false
	}
	kind := ""
	switch {
	case has(t, "event", "trigger"):
		kind, t = "event trigger", t[2:]
	case has(t, "subscription"):
		kind, t = "subscription", t[1:]
	case has(t, "publication"):
		kind, t = "publication", t[1:]
	default:
		return Verdict{}, false
	}
	object, rest := name(t)
	if kind == "publication" && verb != "comment" && !has(rest, "for", "all") && !has(rest, "for", "tables", "in") && !has(rest, "add", "tables", "in") {
		return Verdict{}, false // of single tables, which their owner may publish
	}
	v.Drop = true
	switch {
	case verb == "create":
		v = leave(kind, object, "only a superuser may create it")
	case kind == "publication" && verb == "alter":
		v.Kind, v.Name, v.Warn = "schemas of a publication", object, fmt.Sprintf("publication %q was restored without its schemas: only a superuser may add them", object)
	}
	return v, true
}
