package sqldump

import (
	"fmt"
	"slices"
	"strings"
)

// pg_dump writes what the newest server knows, whatever server the dump is of,
// and today's images of Odoo have pg_dump 18 beside PostgreSQL 15. What an older
// server does not know and no data depends on is left out here, each rule with
// the version that knows it. What is not in this list stays an error.

// judgeVersion is about statements that a newer pg_dump writes, and about
// LEAKPROOF, which needs a superuser in all versions.
func (p Policy) judgeVersion(stmt []byte, t []string) Verdict {
	switch {
	case has(t, "set", "transaction_timeout") && p.ServerMajor < 17:
		// Timeouts are switched off for the load, and this server has no such timeout.
		return Verdict{Drop: true}
	case t0(t) == "select" && p.ServerMajor < 18 && slices.ContainsFunc(t, restoresStatistics):
		// The planner's statistics; ANALYZE makes them.
		return Verdict{Drop: true}
	case has(t, "create", "type") && p.ServerMajor < 14:
		return without(stmt, "multirange_type_name", "=", anyName)
	case has(t, "create", "function"), has(t, "create", "or", "replace", "function"), has(t, "create", "procedure"):
		return withoutLeakproof(stmt)
	}
	return Verdict{}
}

func restoresStatistics(word string) bool {
	return strings.HasPrefix(word, "pg_restore_") && strings.HasSuffix(word, "_stats")
}

// withoutNewPrivileges takes MAINTAIN (17) out of a GRANT or REVOKE.
func (p Policy) withoutNewPrivileges(stmt []byte) Verdict {
	if p.ServerMajor >= 17 {
		return Verdict{}
	}
	w := words(stmt, 1<<16)
	// In ALTER DEFAULT PRIVILEGES roles and schemas stand before them.
	first := slices.IndexFunc(w, func(x word) bool { return x.text == "grant" || x.text == "revoke" }) + 1
	for i := max(first, 1); i+1 < len(w) && w[i].text != "on"; i++ {
		before, after := w[i-1], w[i+1]
		switch {
		case w[i].text != "maintain":
		case before.text == ",":
			return Verdict{Instead: string(stmt[:before.from]) + string(stmt[w[i].to:])}
		case after.text == ",":
			return Verdict{Instead: string(stmt[:w[i].from]) + strings.TrimLeft(string(stmt[after.to:]), " ")}
		default:
			return Verdict{Drop: true} // and nothing else
		}
	}
	return Verdict{}
}

// anyName stands for a name, qualified or not, in without.
const anyName = "\x00name"

// without takes an item of a list in parentheses, with the comma before it (or
// after it, where it is the first), out of a statement.
func without(stmt []byte, item ...string) Verdict {
	w := words(stmt, 1<<16)
	for i := range w {
		if w[i].text != item[0] || i == 0 {
			continue
		}
		j := i + len(item) - 1
		for item[len(item)-1] == anyName && j+2 < len(w) && w[j+1].text == "." {
			j += 2
		}
		if j+1 >= len(w) {
			return Verdict{}
		}
		from, to := w[i].from, w[j].to
		switch {
		case w[i-1].text == ",":
			from = w[i-1].from
		case w[j+1].text == ",":
			to = w[j+1].to
		}
		return Verdict{Instead: string(stmt[:from]) + string(stmt[to:])}
	}
	return Verdict{}
}

// withoutLeakproof: only a superuser may promise that, and the function does the
// same without it. Attributes stand after the arguments and before the body.
func withoutLeakproof(stmt []byte) Verdict {
	depth := 0
	w := words(stmt, 1<<12)
	for i, x := range w {
		switch x.text {
		case "(":
			depth++
		case ")":
			depth--
		case "as", "begin", "return":
			if depth == 0 {
				return Verdict{}
			}
		case "leakproof":
			if depth > 0 || i < 3 || w[i-1].text == "not" || w[i-1].text == "." {
				continue
			}
			t := make([]string, i)
			for j := range t {
				t[j] = w[j].text
			}
			for len(t) > 0 && t[0] != "function" && t[0] != "procedure" {
				t = t[1:]
			}
			f := ""
			if len(t) > 0 {
				f, _ = name(t[1:])
			}
			return Verdict{Instead: string(stmt[:x.from]) + string(stmt[x.to:]), Kind: "leakproof", Name: dotted(f),
				Warn: fmt.Sprintf("function %q was restored without LEAKPROOF: only a superuser may set it", dotted(f))}
		}
	}
	return Verdict{}
}
