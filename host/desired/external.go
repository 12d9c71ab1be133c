package desired

import (
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/shared/odooconf"
)

// externalRole: odoo.conf says where a server elsewhere is, and as whom Odoo logs in
// there. POSTGRES_ODOO_USER alone would prove one role, and Odoo would log in as
// another.
func (d *Desired) externalRole(in *inputs.Inputs, f *odooconf.File) (err error) {
	p := in.Project
	if _, ok := f.Value("db_user", p.OdooMajor); ok {
		return nil
	}
	if d.Conf, err = f.Set("db_user", p.AppRole); err != nil {
		return err
	}
	if d.ConfChange == "" {
		d.ConfChange = "db_user is not set"
	}
	d.Parsed, err = odooconf.Parse(d.Conf)
	return err
}
