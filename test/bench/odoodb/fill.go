package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/odoodb/restore"
)

// fill makes the database: the fixture that a real Odoo 18 wrote, two tables
// of the kind that makes Odoo's databases large (messages with HTML bodies,
// accounting lines with many keys and indexes), and the attachments' files.
func (p *place) fill(ctx context.Context) error {
	s := p.server()
	if _, err := restore.Run(ctx, s, restore.Options{File: fixture(), Database: source}); err != nil {
		return fmt.Errorf("%w (run this in the module's root)", err)
	}
	c, err := s.Admin(ctx, source)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return fillTables(ctx, c.Conn, p.filestore(source), p.o.Rows, p.o.Files)
}

// fillTables adds them to a database that the fixture was restored into.
func fillTables(ctx context.Context, c *pgx.Conn, store string, rows, files int) error {
	for _, sql := range []string{
		`SET ROLE ` + appRole,
		// An administrator's session of odpm finds nothing in public, and ends what
		// takes long.
		`SET search_path = public`, `SET statement_timeout = 0`, `SET idle_in_transaction_session_timeout = 0`,
		`CREATE TABLE bench_message (id serial PRIMARY KEY, model varchar, res_id int, author_id int, create_date timestamp, write_date timestamp,
			message_id varchar, subject varchar, body text, is_internal bool)`,
		`CREATE TABLE bench_line (id serial PRIMARY KEY, message_id int, account_id int, partner_id int, company_id int, journal_id int, date date,
			name varchar, ref varchar, debit numeric, credit numeric, balance numeric, amount_currency numeric, create_date timestamp)`,
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	g := &generator{rng: rand.New(rand.NewPCG(1, 2))}
	if err := g.tables(ctx, c, rows); err != nil {
		return err
	}
	for _, sql := range []string{
		`CREATE INDEX ON bench_message (model, res_id)`, `CREATE INDEX ON bench_message (author_id)`, `CREATE UNIQUE INDEX ON bench_message (message_id)`,
		`CREATE INDEX ON bench_message (create_date)`,
		`CREATE INDEX ON bench_line (message_id)`, `CREATE INDEX ON bench_line (account_id)`, `CREATE INDEX ON bench_line (partner_id)`,
		`CREATE INDEX ON bench_line (journal_id)`, `CREATE INDEX ON bench_line (date, id)`, `CREATE INDEX ON bench_line (ref)`,
		`ALTER TABLE bench_line ADD FOREIGN KEY (message_id) REFERENCES bench_message ON DELETE CASCADE`,
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	names, err := g.files(store, files)
	if err != nil {
		return err
	}
	i := 0
	_, err = c.CopyFrom(ctx, pgx.Identifier{"public", "ir_attachment"}, []string{"name", "type", "store_fname"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i == len(names) {
			return nil, nil
		}
		i++
		return []any{fmt.Sprintf("document %d", i), "binary", names[i-1]}, nil
	}))
	if err == nil {
		_, err = c.Exec(ctx, `VACUUM ANALYZE`)
	}
	return err
}

func fixture() string { return filepath.Join("host", "odoodb", "testdata", "o18.zip") }

type generator struct {
	rng   *rand.Rand
	words []string
	zipf  *rand.Zipf
}

// text is words of a made-up language, distributed as those of real ones are.
func (g *generator) text(b *strings.Builder, n int) {
	if g.words == nil {
		syllables := strings.Fields("ka to mi re sun der lo ver an ge be in sti on pro ta ru el no qui sch ein ma ti")
		for range 8000 {
			w := ""
			for range 1 + g.rng.IntN(4) {
				w += syllables[g.rng.IntN(len(syllables))]
			}
			g.words = append(g.words, w)
		}
		g.zipf = rand.NewZipf(g.rng, 1.1, 4, uint64(len(g.words)-1))
	}
	for range n {
		b.WriteString(g.words[g.zipf.Uint64()])
		b.WriteByte(' ')
	}
}

func (g *generator) words1(n int) string {
	var b strings.Builder
	g.text(&b, n)
	return strings.TrimSpace(b.String())
}

func (g *generator) tables(ctx context.Context, c *pgx.Conn, lines int) error {
	start := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	messages := lines / 2
	models := []string{"sale.order", "account.move", "res.partner", "project.task", "crm.lead"}
	i := 0
	_, err := c.CopyFrom(ctx, pgx.Identifier{"bench_message"}, []string{"model", "res_id", "author_id", "create_date", "write_date", "message_id", "subject", "body", "is_internal"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i == messages {
				return nil, nil
			}
			i++
			at := start.Add(time.Duration(i) * 97 * time.Second)
			return []any{models[g.rng.IntN(len(models))], g.rng.IntN(200_000), g.rng.IntN(5000), at, at.Add(time.Minute),
				fmt.Sprintf("<%d.%d.%x@odoo.example.com>", g.rng.Uint32(), at.Unix(), g.rng.Uint32()), g.words1(5),
				"<div class=\"o_mail\"><p>" + g.words1(30+g.rng.IntN(60)) + "</p>\n<p>" + g.words1(10) + "</p></div>", i%7 == 0}, nil
		}))
	if err != nil {
		return err
	}
	i = 0
	_, err = c.CopyFrom(ctx, pgx.Identifier{"bench_line"}, []string{"message_id", "account_id", "partner_id", "company_id", "journal_id", "date", "name", "ref", "debit", "credit", "balance", "amount_currency", "create_date"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i == lines {
				return nil, nil
			}
			i++
			at := start.Add(time.Duration(i) * 48 * time.Second)
			amount := fmt.Sprintf("%d.%02d", g.rng.IntN(90_000), g.rng.IntN(100))
			return []any{1 + g.rng.IntN(messages), g.rng.IntN(800), g.rng.IntN(20_000), 1, g.rng.IntN(12), at, g.words1(4), fmt.Sprintf("INV/%d/%06d", at.Year(), i/3),
				amount, "0.00", amount, amount, at}, nil
		}))
	return err
}

// files makes a file store as a company's: images and PDF, and the text that
// Odoo's own assets are. It gives the names.
func (g *generator) files(dir string, n int) ([]string, error) {
	names := make([]string, 0, n)
	noise := rand.NewChaCha8([32]byte{4})
	for i := range n {
		var content []byte
		switch k := i % 10; {
		case k < 4: // photographs
			content = append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), g.noise(noise, 20_000+g.rng.IntN(80_000))...)
		case k < 7: // invoices: compressed streams in a frame of text
			content = append(content, "%PDF-1.4\n"...)
			for range 4 {
				content = append(content, fmt.Sprintf("%d 0 obj\n<< /Length 1 /Filter /FlateDecode >>\nstream\n", g.rng.IntN(99))...)
				content = append(content, g.noise(noise, 5_000+g.rng.IntN(10_000))...)
				content = append(content, "\nendstream\nendobj\n"...)
			}
		case k < 8:
			content = append([]byte("\x89PNG\r\n\x1a\n"), g.noise(noise, 2_000+g.rng.IntN(20_000))...)
		default:
			content = []byte(g.words1(500 + g.rng.IntN(3000)))
		}
		sum := fmt.Sprintf("%x", sha1.Sum(content))
		name := sum[:2] + "/" + sum
		if err := os.MkdirAll(filepath.Join(dir, sum[:2]), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func (g *generator) noise(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = r.Read(b)
	return bytes.Clone(b)
}
