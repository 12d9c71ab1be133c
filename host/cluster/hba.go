package cluster

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// hbaRule is one line of pg_hba.conf as the server reads it.
type hbaRule struct {
	Line             int
	Type             string
	Databases, Users []string
	Address, Netmask *string
	Method, Error    *string
}

// hbaRules reads the file on disk; the server may still go by what it loaded
// before. Only a superuser may.
func hbaRules(ctx context.Context, conn *Session) ([]hbaRule, error) {
	rows, err := conn.Query(ctx, `SELECT line_number, coalesce(type, ''::pg_catalog.text), coalesce(database, '{}'::pg_catalog.text[]), coalesce(user_name, '{}'::pg_catalog.text[]), address, netmask, auth_method, error
		FROM pg_catalog.pg_hba_file_rules ORDER BY line_number`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[hbaRule])
}

// hbaClient is a connection over TCP that a rule is looked for.
type hbaClient struct {
	role, database string
	// groups are the roles that role is a member of.
	groups []string
	// addr is invalid where nobody knows from where the client comes.
	addr netip.Addr
	tls  bool
}

// match gives the first rule for the client. Where the address is unknown, or
// a rule goes by host name, rules that could match count; sure is then false.
func (c hbaClient) match(rules []hbaRule) (rule *hbaRule, sure bool) {
	sure = true
	for i := range rules {
		r := &rules[i]
		if r.Error != nil || !c.typeMatches(r.Type) || !c.nameMatches(r.Databases, c.databaseWord) || !c.nameMatches(r.Users, c.userWord) {
			continue
		}
		matches, known := c.addressMatches(r)
		if !matches {
			continue
		}
		return r, sure && known
	}
	return nil, sure
}

func (c hbaClient) typeMatches(t string) bool {
	switch t {
	case "host", "hostnogssenc":
		return true
	case "hostssl":
		return c.tls
	case "hostnossl":
		return !c.tls
	}
	return false
}

func (c hbaClient) nameMatches(words []string, one func(string) bool) bool {
	return slices.ContainsFunc(words, one)
}

func (c hbaClient) databaseWord(w string) bool {
	switch w {
	case "all":
		return true
	case "sameuser":
		return c.database == c.role
	case "samerole", "samegroup":
		return c.database == c.role || slices.Contains(c.groups, c.database)
	case "replication":
		return false
	}
	return w == c.database || regexWord(w, c.database)
}

func (c hbaClient) userWord(w string) bool {
	if g, ok := strings.CutPrefix(w, "+"); ok {
		return g == c.role || slices.Contains(c.groups, g)
	}
	return w == "all" || w == c.role || regexWord(w, c.role)
}

// regexWord is 16's /regex; the dialects differ little.
func regexWord(w, name string) bool {
	expr, ok := strings.CutPrefix(w, "/")
	if !ok {
		return false
	}
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(name)
}

func (c hbaClient) addressMatches(r *hbaRule) (matches, known bool) {
	if r.Address == nil || *r.Address == "all" {
		return true, true
	}
	if !c.addr.IsValid() {
		return true, false
	}
	if *r.Address == "samehost" || *r.Address == "samenet" {
		// The server's own networks, in which a compose network is.
		return *r.Address == "samenet" || c.addr.IsLoopback(), false
	}
	base, err := netip.ParseAddr(*r.Address)
	if err != nil || r.Netmask == nil {
		// A host name, which the server looks up.
		return true, false
	}
	mask, err := netip.ParseAddr(*r.Netmask)
	if err != nil {
		return false, true
	}
	a, b, m := c.addr.Unmap().AsSlice(), base.AsSlice(), mask.AsSlice()
	if len(a) != len(b) || len(b) != len(m) {
		return false, true
	}
	for i := range a {
		if a[i]&m[i] != b[i]&m[i] {
			return false, true
		}
	}
	return true, true
}

var addressInText = regexp.MustCompile(`[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]+`)

// clientAddress finds the address that a server's message names, whatever its
// language: the one thing in it that is an address.
func clientAddress(text string) netip.Addr {
	for _, s := range addressInText.FindAllString(text, -1) {
		if a, err := netip.ParseAddr(strings.Trim(s, ".")); err == nil {
			return a
		}
	}
	return netip.Addr{}
}

// byPassword: methods that Odoo's password can answer.
func byPassword(method string) bool {
	switch method {
	case "scram-sha-256", "md5", "password", "trust", "ldap", "radius", "pam", "bsd":
		return true
	}
	return false
}
