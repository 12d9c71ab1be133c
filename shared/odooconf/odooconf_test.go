package odooconf_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/shared/odooconf"
)

// oracle is Python's own RawConfigParser: one base64 line in, one JSON line out.
type oracle struct {
	in  io.WriteCloser
	out *bufio.Reader
}

const program = `
import base64, configparser, io, json, sys
for line in sys.stdin:
    raw = base64.b64decode(line)
    p = configparser.RawConfigParser()
    try:
        p.read_file(io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
        r = {"options": dict(p.items("options"))}
    except configparser.NoSectionError:
        r = {"options": {}}
    except Exception as e:
        r = {"error": type(e).__name__}
    print(json.dumps(r), flush=True)
`

func python(t testing.TB) *oracle {
	t.Helper()
	py, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is needed: run make setup")
	}
	cmd := exec.Command(py, "-c", program)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &oracle{in, bufio.NewReader(out)}
}

func (o *oracle) read(t *testing.T, data string) (options map[string]string, failed bool) {
	t.Helper()
	io.WriteString(o.in, base64.StdEncoding.EncodeToString([]byte(data))+"\n")
	l, err := o.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Options map[string]string
		Error   string
	}
	if err := json.Unmarshal([]byte(l), &r); err != nil {
		t.Fatal(err)
	}
	return r.Options, r.Error != ""
}

func compare(t *testing.T, o *oracle, data string) {
	t.Helper()
	want, failed := o.read(t, data)
	f, err := odooconf.Parse([]byte(data))
	if (err != nil) != failed {
		t.Fatalf("%q: Python failed: %v, we: %v", data, failed, err)
	}
	if failed {
		return
	}
	for k, w := range want {
		if got, ok := f.Get(k); !ok || got != w {
			t.Fatalf("%q: %s = %q (%v), Python reads %q", data, k, got, ok, w)
		}
	}
	for _, k := range f.Keys() {
		if _, ok := want[k]; !ok {
			t.Fatalf("%q: Python does not see %s", data, k)
		}
	}
}

func TestReadsAsPython(t *testing.T) {
	o := python(t)
	for _, data := range []string{
		"",
		"[options]\ndb_host = db\n",
		"[options]\nadmin_passwd = a#b;c%(x)s ; not a comment\n",
		"[options]\nDB_Host: db\n; c\n# c\n  # indented\n",
		"[options]\naddons_path = /a,\n  /b,\n\n  # inside\n\t/c\n\ndb_user=odoo",
		"[options]\r\ndb_host = db\r\ndb_port=5432\r\n",
		"[options]\rdb_host = db\r",
		"[DEFAULT]\ndb_host = dd\ndb_user = u\n[options]\ndb_host = db\n[queue_job]\nchannels = root:2\n",
		"[DEFAULT]\nx = 1\n",
		"db_host = db\n",
		"[options]\ndb_host = a\ndb_host = b\n",
		"[options]\na=1\n[options]\nb=2\n",
		"[options]\nnovalue\n",
		"[options]\n= x\n",
		"[options]\n  db_host = db\n db_user = u\n   more\n",
		"[options] trailing\ndb = 1\n",
		"[op]tions]\ndb = 1\n",
		"[]\n",
		"\ufeff[options]\ndb_host = db\n",
		"[options]\nx = \u00a0y\u2003\nz =\x1c w \x1f\n",
		"[options]\nx =\n  y\n\n\n[other]\n",
	} {
		compare(t, o, data)
	}
}

func TestReadsAsPythonAtRandom(t *testing.T) {
	o := python(t)
	pieces := []string{"[options]", "[other]", "[DEFAULT]", "db_host", "a", "B", "=", ":", " ", "  ", "\t", "\n", "\n", "\n", "\r\n", "\r",
		"#", ";", "x", "]", "[", "%", "é", "\u00a0", "\x1d", "\x0b", "\u2028"}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 4000 {
		var b strings.Builder
		if rng.IntN(3) > 0 {
			b.WriteString("[options]\n")
		}
		for range rng.IntN(25) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		compare(t, o, b.String())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestUnset(t *testing.T) {
	f, err := odooconf.Parse([]byte("[options]\na = False\nb = false\nc =\nd = None\ne = FALSE\nf = 0\ndb_port = x1\n"))
	if err != nil {
		t.Fatal(err)
	}
	set := func(major int) (out []string) {
		for _, k := range f.Keys() {
			if _, ok := f.Value(k, major); ok {
				out = append(out, k)
			}
		}
		return out
	}
	if d := cmp.Diff([]string{"d", "e", "f", "db_port"}, set(18)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"e", "f", "db_port"}, set(19)); d != "" {
		t.Error(d)
	}
	var syntax *odooconf.SyntaxError
	if _, _, err := f.Int("db_port", 18); !errors.As(err, &syntax) || syntax.Line != 8 {
		t.Errorf("db_port: %v", err)
	}
}

func TestSet(t *testing.T) {
	for name, tt := range map[string]struct{ in, key, value, want string }{
		"replace":           {"# mine\n[options]\n; host\ndb_host   =  old  \nx=1\n", "db_host", "db", "# mine\n[options]\n; host\ndb_host   =  db\nx=1\n"},
		"colon, upper case": {"[options]\nDB_HOST:old\n", "db_host", "db", "[options]\nDB_HOST:db\n"},
		"empty, tight":      {"[options]\ndb_host=\n", "db_host", "db", "[options]\ndb_host=db\n"},
		"empty, spaced":     {"[options]\ndb_host =\n", "db_host", "db", "[options]\ndb_host = db\n"},
		"several lines":     {"[options]\ndb_host = a\n  b\n# keep\n\n  c\n\nx = 1\n", "db_host", "db", "[options]\ndb_host = db\n# keep\n\nx = 1\n"},
		"missing":           {"[options]\nx = 1\n\n[other]\ny = 2\n", "db_host", "db", "[options]\nx = 1\ndb_host = db\n\n[other]\ny = 2\n"},
		"no final newline":  {"[options]\r\nx = 1", "db_host", "db", "[options]\r\nx = 1\r\ndb_host = db\r\n"},
		"empty file":        {"", "db_host", "db", "[options]\ndb_host = db\n"},
		"only others":       {"[other]\ny = 2", "db_host", "db", "[other]\ny = 2\n[options]\ndb_host = db\n"},
		"inherited":         {"[DEFAULT]\ndb_host = x\n[options]\n", "db_host", "db", "[DEFAULT]\ndb_host = x\n[options]\ndb_host = db\n"},
		"indented header":   {"[options]\n; x\n\n  [other]\n  y = 2\n", "db_host", "db", "[options]\n; x\n  db_host = db\n\n  [other]\n  y = 2\n"},
		"after a comment":   {"[options]\nx = 1\n# last words\n", "db_host", "db", "[options]\nx = 1\n# last words\ndb_host = db\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := odooconf.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Set(tt.key, tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(got)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if string(f.Bytes()) != tt.in {
				t.Error("the parsed file changed")
			}
		})
	}
	f, _ := odooconf.Parse([]byte("[options]\n"))
	for _, bad := range []string{"a\nb", " a", "a\r"} {
		if _, err := f.Set("db_host", bad); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
}

// TestUnreadableBytes: the command that the error prints makes the file
// readable, whatever it is called.
func TestUnreadableBytes(t *testing.T) {
	for name, tt := range map[string]struct{ in, says, before string }{
		"byte order mark": {"\ufeff[options]\ndb_host = db\n", "shop's.conf:1: ", "remove it: "},
		"Latin-1":         {"[options]\r\ndb_host = db\r\n; Stra\xdfe\r\nx = 1\r\n", "shop's.conf:3: ", "encoding: "},
		"UTF-16":          {"\xff\xfe\x5b\x00\x6f\x00\x70\x00\x74\x00\x69\x00\x6f\x00\x6e\x00\x73\x00\x5d\x00\x0a\x00\x64\x00\x62\x00\x5f\x00\x68\x00\x6f\x00\x73\x00\x74\x00\x20\x00\x3d\x00\x20\x00\x64\x00\x62\x00\x0a\x00", "shop's.conf:1: ", "to convert it: "},
		"UTF-16, no mark": {"\x00\x5b\x00\x6f\x00\x70\x00\x74\x00\x69\x00\x6f\x00\x6e\x00\x73\x00\x5d\x00\x0a\x00\x64\x00\x62\x00\x5f\x00\x68\x00\x6f\x00\x73\x00\x74\x00\x20\x00\x3d\x00\x20\x00\x64\x00\x62\x00\x0a", "shop's.conf:1: ", "to convert it: "},
		"cut short":       {"[options]\ndb_host = db\n; \xe2\x82", "shop's.conf:3: ", "encoding: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "shop's.conf")
			if err := os.WriteFile(path, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := odooconf.Load(path)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v", err)
			}
			_, command, _ := strings.Cut(err.Error(), tt.before)
			if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
			f, err := odooconf.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if host, _ := f.Get("db_host"); host != "db" {
				t.Errorf("db_host %q", host)
			}
		})
	}
}
