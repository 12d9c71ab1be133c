package neutralize

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/quote"
)

// noMailServer is the row of ir_mail_server without which Odoo would use
// smtp_server of odoo.conf. smtp_authentication is there from Odoo 15 on, NOT NULL.
var noMailServer = map[string]string{
	"name": `'neutralized: no mail leaves this copy'`, "smtp_host": `'invalid'`, "smtp_port": `1025`, "smtp_encryption": `'none'`,
	"smtp_authentication": `'login'`, "active": `true`,
}

func noMailLeaves(ctx context.Context, tx pgx.Tx, all catalog) error {
	if err := insertNoMailServer(ctx, tx, all["ir_mail_server"]); err != nil {
		return fmt.Errorf("ir_mail_server: %w", err)
	}
	return leaveMailServers(ctx, tx, all)
}

// insertNoMailServer adds that row, with a value for whatever column a module has
// made NOT NULL: another server's, else the empty one of its type. Without
// smtp_host and active there is no such row; Unreachable says so.
func insertNoMailServer(ctx context.Context, tx pgx.Tx, cols map[string]column) error {
	if _, ok := cols["smtp_host"]; !ok {
		return nil
	}
	if _, ok := cols["active"]; !ok {
		return nil
	}
	var names, values []string
	for _, name := range slices.Sorted(maps.Keys(cols)) {
		value := noMailServer[name]
		switch col := cols[name]; {
		case value != "":
		case col.notNull && !col.filled:
			value = `coalesce((SELECT ` + quote.Ident(name) + ` FROM public.ir_mail_server LIMIT 1), ` + col.empty + `)`
		default:
			continue
		}
		names, values = append(names, quote.Ident(name)), append(values, value)
	}
	_, err := tx.Exec(ctx, `INSERT INTO public.ir_mail_server (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(values, ", ")+`)`)
	return err
}

// leaveMailServers takes mail away from the servers that it is bound to: templates,
// mailings, mail in the queue, Italian e-invoices. Before 16 Odoo sends through the
// server that a mail names even where it is archived (ir.mail_server's connect).
func leaveMailServers(ctx context.Context, tx pgx.Tx, all catalog) error {
	if _, ok := all["ir_mail_server"]["id"]; !ok {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT c.relname::pg_catalog.text, a.attname::pg_catalog.text
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.conrelid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) k.conrelid AND a.attnum OPERATOR(pg_catalog.=) k.conkey[1]
		WHERE k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char" AND pg_catalog.cardinality(k.conkey) OPERATOR(pg_catalog.=) 1
		AND k.confrelid OPERATOR(pg_catalog.=) 'public.ir_mail_server'::pg_catalog.regclass::pg_catalog.oid
		AND n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	type key struct{ Table, Column string }
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return err
	}
	for _, k := range keys {
		col, ok := all[k.Table][k.Column]
		if !ok {
			continue
		}
		if col.notNull {
			col.empty = `(SELECT s.id FROM public.ir_mail_server s ORDER BY s.active DESC NULLS LAST, s.id DESC LIMIT 1)`
		}
		where := ""
		// Of messages, which can be millions, those that can still be sent.
		if _, queue := all["mail_mail"]["mail_message_id"]; k.Table == "mail_message" && queue {
			where = `EXISTS (SELECT FROM public.mail_mail m WHERE m.mail_message_id = t.id)`
		}
		if err := set(ctx, tx, k.Table, k.Column, col, `NULL`, where); err != nil {
			return err
		}
	}
	return nil
}
