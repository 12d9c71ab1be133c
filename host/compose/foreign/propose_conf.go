package foreign

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/shell"
)

// conf is the odoo.conf that odpm will read: the one in the directory, else a
// copy of the one that Odoo has mounted. "" is none.
func (p *proposer) conf() string {
	own := filepath.Join(p.dir, "odoo.conf")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	return p.Odoo.ConfPath
}

// loadConf reads it, nil where there is none.
func (p *proposer) loadConf() (*odooconf.File, error) {
	if path := p.conf(); path != "" {
		return odooconf.Load(path)
	}
	if text := p.Odoo.ConfText; text != "" {
		return odooconf.Parse([]byte(text))
	}
	return nil, nil
}

// around: odoo.conf is copied, and Odoo's data keep their place where that is a
// directory.
func (p *proposer) around() {
	o := p.Odoo
	if o == nil {
		return
	}
	if path := p.conf(); path == "" && o.ConfText != "" {
		p.out.Conf = []byte(o.ConfText)
	} else if path == "" {
		p.confVolume()
	} else if own := filepath.Join(p.dir, "odoo.conf"); path != own {
		if data, err := compose.ReadFile(path); err != nil {
			p.problem(Problem{Code: "odoo_conf", Blocking: true, Message: "Odoo's configuration " + p.rel(path) + " cannot be read: " + err.Error(),
				Way: "sudo install -o \"$USER\" " + shell.Quote(path) + " " + shell.Quote(own)})
		} else {
			p.out.Conf, p.out.ConfPath = data, p.rel(path)
		}
	} else if o.ConfPath != "" && o.ConfPath != own && !sameFile(o.ConfPath, own) {
		p.problem(Problem{Code: "odoo_conf", Message: "Odoo's configuration was " + p.rel(o.ConfPath) + "; odpm reads odoo.conf in the project directory, which differs",
			Way: "to compare: diff " + shell.Quote(o.ConfPath) + " " + shell.Quote(own)})
	}
	if p.External || p.elsewhere {
		p.outside()
	} else {
		p.between()
		p.moved()
	}
	p.odooPlace()
}

// outside: the server is elsewhere, and odoo.conf alone says where. What Odoo's
// variables or options said goes into it.
func (p *proposer) outside() {
	host := p.Odoo.Host
	if local := net.ParseIP(host); host == "localhost" || local != nil && local.IsLoopback() {
		host = compose.HostGateway // of the machine, for a container with a network of its own
	}
	p.sayHost(host, "", "the server is elsewhere, but odoo.conf does not say where (db_host)")
}

// between: Odoo's variables or options lead to a service in front of PostgreSQL, such
// as a pooler. Without an odoo.conf that says so a run would go past it.
func (p *proposer) between() {
	o := p.Odoo
	host := ServiceOf(p.Doc, o.Service, o.Host)
	if host == "" || p.Postgres == nil || host == p.Postgres.Service {
		return
	}
	p.sayHost(o.Host, fmt.Sprintf("; taken from the variables of service %s\n", o.Service),
		fmt.Sprintf("service %s reaches PostgreSQL through service %s, but odoo.conf, which odpm uses, does not name it (db_host)", o.Service, host))
}

// moved: odoo.conf leads to PostgreSQL at an address that only the old stack has. On
// the host's network that is this machine, and otherwise a port that is not 5432. A
// takeover corrects it; until then the old stack reads the file.
func (p *proposer) moved() {
	pg, own := p.Postgres, filepath.Join(p.dir, "odoo.conf")
	if pg == nil || !p.Copying {
		return
	}
	conf, err := odooconf.Parse(p.out.Conf)
	if p.out.Conf == nil {
		conf, err = odooconf.Load(own)
	}
	if err != nil {
		return // there is none, or it is named where it is read
	}
	host, _ := conf.Value("db_host", 0)
	port, said, err := conf.Int("db_port", 0)
	if err != nil {
		return
	}
	at := cmp.Or(port, p.Odoo.DBPort, compose.PostgresPort)
	service := ServiceOf(p.Doc, p.Odoo.Service, firstOf(host, p.Odoo.Host))
	here := host == "localhost"
	if ip := net.ParseIP(host); ip != nil {
		here = ip.IsLoopback()
	}
	was := conf.Bytes()
	here = here && p.Doc.Services[p.Odoo.Service].NetworkMode == "host"
	switch {
	case service != pg.Service && !(here && at == pg.Port):
		return
	case here:
		conf = with(conf, "db_host", pg.Service)
		fallthrough
	case said && port == pg.ContainerPort:
		if at != compose.PostgresPort {
			conf = with(conf, "db_port", strconv.Itoa(compose.PostgresPort))
		}
	default:
		return
	}
	if conf == nil || bytes.Equal(conf.Bytes(), was) {
		return
	}
	p.out.ConfEdited = p.out.Conf == nil
	p.out.Conf = conf.Bytes()
}

// with is odoo.conf with an option set, nil where that cannot be.
func with(conf *odooconf.File, key, value string) *odooconf.File {
	if conf == nil {
		return nil
	}
	text, err := conf.Set(key, value)
	if err != nil {
		return nil
	}
	if conf, err = odooconf.Parse(text); err != nil {
		return nil
	}
	return conf
}

// sayHost puts the server's address into the odoo.conf that is proposed, where that
// says none. One that is in the directory is the person's: without says what is
// missing in it. comment stands in a new one.
func (p *proposer) sayHost(host, comment, without string) {
	own := filepath.Join(p.dir, "odoo.conf")
	conf, err := odooconf.Parse(p.out.Conf)
	if p.out.Conf == nil {
		conf, err = odooconf.Load(own)
	}
	if errors.Is(err, fs.ErrNotExist) {
		conf, err = odooconf.Parse([]byte("[options]\n" + comment))
	}
	if err != nil {
		return // it is named where odoo.conf is read
	}
	if host, ok := conf.Value("db_host", 0); ok && host != "" {
		return
	}
	port := p.Odoo.DBPort
	if port == 0 {
		port = compose.PostgresPort
	}
	if _, err := os.Stat(own); err == nil || host == "" {
		p.problem(Problem{Code: "no_host", Blocking: true, Message: without,
			Way: addOptions(own, own, fmt.Sprintf("db_host = %s\\ndb_port = %d", firstOf(host, "ADDRESS"), port))})
		return
	}
	if conf = with(with(conf, "db_host", host), "db_port", strconv.Itoa(port)); conf != nil {
		p.out.Conf = conf.Bytes()
	}
}

// addOptions is the command that adds lines, written with \n between them, to the
// options of an odoo.conf; like is how it begins, "" for a new one. At the end of a
// file that has a section behind [options] they would belong to that section.
func addOptions(path, like, lines string) string {
	data, err := compose.ReadFile(like)
	if err != nil {
		return fmt.Sprintf("printf '[options]\\n%s\\n' > %s", lines, shell.Quote(path))
	}
	if sections.FindIndex(data) != nil {
		return fmt.Sprintf(`sed -i '/^\[options\]/a %s' %s`, lines, shell.Quote(path))
	}
	return fmt.Sprintf("printf '\\n%s\\n' >> %s", lines, shell.Quote(path))
}

var sections = regexp.MustCompile(`(?ms)^\[options\].*^\[`)

func sameFile(a, b string) bool {
	x, errX := compose.ReadFile(a)
	y, errY := compose.ReadFile(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// confVolume: a volume at /etc/odoo has an odoo.conf that this machine cannot
// read. Where there is none yet, Docker fills it from the image.
func (p *proposer) confVolume() {
	for _, v := range p.Odoo.Mounts {
		if v.Type == types.VolumeTypeVolume && path.Clean(v.Target) == "/etc/odoo" && v.Source != "" && p.device(v) == "" && p.has(p.volumeName(v)) {
			p.problem(Problem{Code: "odoo_conf", Blocking: true, Message: "Odoo's configuration is in the volume " + p.volumeName(v) + "; odpm reads odoo.conf in the project directory",
				Way: fmt.Sprintf("docker run --rm --user 0 -v %s:/from:ro --entrypoint cat %s /from/odoo.conf > %s", p.volumeName(v), p.tools(), shell.Quote(filepath.Join(p.dir, "odoo.conf")))})
		}
	}
}
