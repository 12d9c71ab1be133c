package inputs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/shared/odooconf"
)

// Here is where an Odoo without a container listens.
type Here struct {
	// Bind is its address, "" for all of this machine's.
	Bind string
	HTTP int
	// Says is what names the port: "ODOO_COMMAND", "odoo.conf" or ODOO_PORT.
	Says string
	// Options are what ODOO_COMMAND is given for it.
	Options []string
	// Conf is the port of odoo.conf, 0 where it says none.
	Conf int
}

// Here ranks an option of ODOO_COMMAND before a key of .env, that before odoo.conf, and
// odoo.conf before the defaults, as with Odoo's data directory. What neither the command
// nor odoo.conf says becomes an option where it is not Odoo's own default.
func (in *Inputs) Here() Here {
	p := in.Project
	h := Here{HTTP: compose.OdooHTTPPort, Says: "ODOO_PORT"}
	confBind, confPort := in.confListens()
	h.Conf = confPort
	// The words behind a script's name are meant for the Odoo that it starts.
	var line, behind types.ServiceConfig
	if len(p.OdooCommand) > 0 {
		line.Command = p.OdooCommand
		behind.Command = append(types.ShellCommand{"odoo"}, p.OdooCommand[1:]...)
	}
	http, gevent := foreign.ListensOn(line)
	http2, gevent2 := foreign.ListensOn(behind)
	bind := cmp.Or(foreign.BindsTo(line), foreign.BindsTo(behind))
	http, gevent = cmp.Or(http, http2), cmp.Or(gevent, gevent2)
	names := []string{"--http-port", "--gevent-port"}
	if p.OdooMajor != 0 && p.OdooMajor < 16 {
		names[1] = "--longpolling-port"
	}
	switch {
	case http != 0:
		h.HTTP, h.Says = http, "ODOO_COMMAND"
	case p.Setting("ODOO_PORT") != "":
		h.HTTP, h.Options = p.OdooPort, append(h.Options, names[0], strconv.Itoa(p.OdooPort))
	case h.Conf != 0:
		h.HTTP, h.Says = h.Conf, "odoo.conf"
	}
	if gevent == 0 && p.Setting("GEVENT_PORT") != "" {
		h.Options = append(h.Options, names[1], strconv.Itoa(p.GeventPort))
	}
	switch {
	case bind != "":
		h.Bind = bind
	case p.Setting("ODOO_BIND") == "" && confBind != "":
		h.Bind = confBind
	default:
		if h.Bind = compose.OdooBind(*p); h.Bind != "" {
			h.Options = append(h.Options, "--http-interface", h.Bind)
		}
	}
	return h
}

// HTTPPort is the port that an odoo.conf has Odoo listen on, 0 where it says none.
func HTTPPort(conf *odooconf.File, major int) int {
	if conf == nil {
		return 0
	}
	for _, key := range []string{"http_port", "xmlrpc_port"} {
		if n, ok, err := conf.Int(key, major); ok && err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// confListens is what odoo.conf says, and where that is silent odpm.json's options,
// which a run writes into it.
func (in *Inputs) confListens() (bind string, port int) {
	p := in.Project
	port = HTTPPort(p.OdooConf, p.OdooMajor)
	if n, err := strconv.Atoi(cmp.Or(p.ConfOptions["http_port"], p.ConfOptions["xmlrpc_port"])); port == 0 && err == nil && n > 0 {
		port = n
	}
	for _, key := range []string{"http_interface", "xmlrpc_interface"} {
		if p.OdooConf != nil && bind == "" {
			bind, _ = p.OdooConf.Value(key, p.OdooMajor)
		}
	}
	return cmp.Or(bind, p.ConfOptions["http_interface"], p.ConfOptions["xmlrpc_interface"]), port
}

// OdooStart stands for how ODOO_COMMAND is started. It is kept beside the pid of
// the Odoo that runs, and is a hash because a command may hold a password.
func (in *Inputs) OdooStart() string {
	p := in.Project
	how, err := json.Marshal([]any{p.OdooCommand, p.OdooConfPath, p.OdooDataDir, in.Here().Options})
	if err != nil {
		return "-" // strings are always JSON
	}
	sum := sha256.Sum256(how)
	return hex.EncodeToString(sum[:8])
}
