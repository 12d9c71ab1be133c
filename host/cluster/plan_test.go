package cluster

import (
	"strings"
	"testing"
)

func clusterOf(version int, rs ...role) *roles {
	return &roles{VersionNum: version * 10000, Encoding: "UTF8", Roles: rs}
}

func superuser(name string, oid uint32) role {
	return role{OID: oid, Name: name, Super: true, Inherit: true, CreateDB: true, CreateRole: true, Replication: true, BypassRLS: true, Login: true, ConnLimit: -1}
}

func TestPlanRoles(t *testing.T) {
	w := Wanted{Role: "odoo", Password: "s3"}
	stored := must(Verifier("", "odoo", "s3"))
	md5 := must(Verifier("md5", "odoo", "s3"))
	good := role{OID: 20, Name: "odoo", Inherit: true, CreateDB: true, Login: true, ConnLimit: -1, Password: stored}
	with := func(x role, f func(*role)) role { f(&x); return x }
	boot := superuser("postgres", 10)
	for name, tt := range map[string]struct {
		r      *roles
		p      policy
		w      Wanted
		want   []string
		report string
	}{
		"good":           {r: clusterOf(15, boot, good), p: policy{admin: "postgres"}},
		"missing":        {r: clusterOf(15, boot), p: policy{admin: "postgres"}, want: []string{`CREATE ROLE "odoo" LOGIN NOSUPERUSER CREATEDB PASSWORD '***'`}},
		"a future limit": {r: clusterOf(15, boot, with(good, func(x *role) { x.Until, x.ConnLimit = "2999-01-01", 3 })), p: policy{admin: "postgres"}, report: "may have 3 connections"},
		"everything": {r: clusterOf(15, boot, role{OID: 20, Name: "odoo", Expired: true, Until: "2020"}), p: policy{admin: "postgres"},
			want: []string{`ALTER ROLE "odoo" LOGIN CREATEDB CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD '***'`}},
		"superuser": {r: clusterOf(15, boot, with(superuser("odoo", 20), func(x *role) { x.Password = stored })), p: policy{admin: "postgres"},
			want: []string{`ALTER ROLE "odoo" NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS`}},
		"superuser, others refused": {r: clusterOf(15, boot, with(superuser("odoo", 20), func(x *role) { x.Password = stored })), p: policy{refused: true, keepSuper: true}, report: "no other administrator"},
		"OID 10, 15": {r: clusterOf(15, with(superuser("odoo", 10), func(x *role) { x.Password = stored })), p: policy{adminPassword: "boot"},
			want: []string{`CREATE ROLE "postgres" LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD '***'`, `ALTER ROLE "odoo" NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS`}, report: "neither harmless"},
		"OID 10, 16":          {r: clusterOf(16, with(superuser("odoo", 10), func(x *role) { x.Password = stored })), report: "does not let anybody demote it"},
		"admin NOLOGIN":       {r: clusterOf(15, with(boot, func(x *role) { x.Login = false }), good), want: []string{`ALTER ROLE "postgres" LOGIN`}},
		"admin demoted":       {r: clusterOf(15, with(boot, func(x *role) { x.Super = false }), good), want: []string{`ALTER ROLE "postgres" SUPERUSER`}},
		"postgres ordinary":   {r: clusterOf(15, role{OID: 30, Name: "postgres", Login: true}, good), want: []string{`CREATE ROLE "odpm_admin" LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS`}, report: "not a superuser"},
		"admin refused":       {r: clusterOf(15, boot, good), p: policy{refused: true}, report: "left as it is"},
		"admin refused, peer": {r: clusterOf(15, superuser("dba", 10), good), p: policy{refused: true, free: []string{"postgres"}}, want: []string{`CREATE ROLE "postgres" LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS`}},
		"md5, right":          {r: clusterOf(13, boot, with(good, func(x *role) { x.Password = md5 })), p: policy{admin: "postgres"}},
		"md5, hba wants scram": {r: &roles{VersionNum: 130000, ScramOnly: true, Roles: []role{boot, with(good, func(x *role) { x.Password = md5 })}}, p: policy{admin: "postgres"},
			want: []string{`ALTER ROLE "odoo" PASSWORD '***'`}},
		"member of a superuser": {r: &roles{VersionNum: 150000, Roles: []role{boot, good, {OID: 21, Name: "team"}}, Members: []membership{{Role: "team", Member: "odoo"}, {Role: "postgres", Member: "team"}}},
			p: policy{admin: "postgres"}, report: `member of "postgres"`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.w.Role == "" {
				tt.w = w
			}
			plan, err := planRoles(tt.r, tt.w, tt.p)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(plan.Masked(), "\n"); got != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(tt.want, "\n"))
			}
			if reports := strings.Join(plan.Reports, "\n"); tt.report != "" && !strings.Contains(reports, tt.report) || tt.report == "" && reports != "" {
				t.Errorf("reports: %q, want %q", reports, tt.report)
			}
		})
	}
	if _, err := planRoles(&roles{InRecovery: true, Roles: []role{boot}}, w, policy{}); err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("a standby: %v", err)
	}
	if _, err := planRoles(clusterOf(15, role{Name: "postgres"}, role{Name: "odpm_admin"}), w, policy{}); err == nil {
		t.Error("an ordinary role becomes a superuser")
	}
}
