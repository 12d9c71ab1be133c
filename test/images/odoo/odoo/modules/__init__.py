"""Modules on the path, and what -i and -u do to a database's."""
import ast
import hashlib
import logging
import os

from odoo import passwords, release
from odoo.config import config
from odoo.db import initialised

_logger = logging.getLogger("odoo.modules.loading")

STANDING = ("installed", "to upgrade", "to remove")


def path_of(name):
    for root in config.addons_paths():
        path = os.path.join(root, name)
        if os.path.isfile(os.path.join(path, "__manifest__.py")):
            return path
    return None


def available():
    names = set()
    for root in config.addons_paths():
        names.update(n for n in os.listdir(root) if path_of(n))
    return sorted(names)


def manifest(name):
    with open(os.path.join(path_of(name), "__manifest__.py")) as f:
        data = ast.literal_eval(f.read())
    version = str(data.get("version", "1.0"))
    if not version.startswith(release.version + "."):
        version = release.version + "." + version
    return {"depends": ["base"] if name != "base" else [], "auto_install": False,
            "installable": True, **data, "version": version}


def update(cr, db_name, init, update_list):
    """Brings the database to what was asked for."""
    if not initialised(cr):
        if not init:
            _logger.error("Database %s not initialized, you can force it with `-i base`", db_name)
            return
        _logger.info("init db")
        create_base(cr, db_name)
        init = init + ["web"]
    register(cr)
    known = available()
    unknown = [m for m in init + update_list if m not in known and m != "all"]
    if unknown:
        _logger.warning("invalid module names, ignored: %s", ", ".join(unknown))
    for name in init:
        if name in known:
            install(cr, name)
    for name in known:
        m = manifest(name)
        if m["auto_install"] and state(cr, name) == "uninstalled" and all(
                state(cr, d) in STANDING for d in m["depends"]):
            install(cr, name)
    cr.execute("SELECT name FROM ir_module_module WHERE state IN %s ORDER BY id", (STANDING,))
    for (name,) in cr.fetchall():
        if name in update_list or "all" in update_list or "base" in update_list:
            load(cr, name, "upgraded")
    if init or update_list:
        cr.execute("SELECT nextval('base_registry_signaling')")


def create_base(cr, db_name):
    with open(os.path.join(os.path.dirname(__file__), "schema.sql")) as f:
        cr.execute(f.read())
    cr.execute("UPDATE res_users SET password = %s WHERE login = 'admin'", (passwords.make("admin"),))
    for code in [c for c in str(config.get("load_language") or "").split(",") if c and c != "en_US"]:
        cr.execute("INSERT INTO res_lang (name, code, iso_code, url_code, active) VALUES (%s, %s, %s, %s, true)",
                   (code, code, code[:2], code))
    attach(cr, db_name, "web.assets_web.min.js", b"// the assets of " + db_name.encode() + b"\n")
    attach(cr, db_name, "company_logo", os.urandom(4096))


def attach(cr, db_name, name, content):
    """A file of the filestore with its row, as Odoo stores both."""
    checksum = hashlib.sha1(content).hexdigest()
    fname = checksum[:2] + "/" + checksum
    path = os.path.join(config["data_dir"], "filestore", db_name, fname)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    cr.execute("INSERT INTO ir_attachment (name, type, store_fname, file_size, checksum, mimetype)"
               " VALUES (%s, 'binary', %s, %s, %s, 'application/octet-stream')",
               (name, fname, len(content), checksum))


def register(cr):
    for name in available():
        m = manifest(name)
        cr.execute("INSERT INTO ir_module_module (name, state, auto_install, shortdesc)"
                   " VALUES (%s, %s, %s, jsonb_build_object('en_US', %s::text)) ON CONFLICT (name) DO NOTHING RETURNING id",
                   (name, "uninstalled" if m["installable"] else "uninstallable", m["auto_install"] is not False,
                    m.get("name", name)))
        row = cr.fetchone()
        for d in m["depends"] if row else []:
            cr.execute("INSERT INTO ir_module_module_dependency (name, module_id) VALUES (%s, %s)", (d, row[0]))


def state(cr, name):
    cr.execute("SELECT state FROM ir_module_module WHERE name = %s", (name,))
    row = cr.fetchone()
    return row[0] if row else None


def install(cr, name):
    if state(cr, name) in STANDING:
        return
    for d in manifest(name)["depends"]:
        if not path_of(d):
            raise Exception("You try to install module '%s' that depends on module '%s'.\n"
                            "But the latter module is not available in your system." % (name, d))
        install(cr, d)
    load(cr, name, "installed")


def load(cr, name, verb):
    # A module that cannot be imported ends the run, as in Odoo.
    source = os.path.join(path_of(name), "__init__.py")
    if os.path.exists(source):
        with open(source) as f:
            exec(compile(f.read(), source, "exec"), {"__name__": "odoo.addons." + name, "__file__": source})
    cr.execute("UPDATE ir_module_module SET state = 'installed', latest_version = %s, demo = %s,"
               " write_date = now() AT TIME ZONE 'utc' WHERE name = %s",
               (manifest(name)["version"], config.get("without_demo") in (None, False, "", "False"), name))
    _logger.info("Module %s %s", name, verb)


def installed(cr):
    cr.execute("SELECT name FROM ir_module_module WHERE state IN %s ORDER BY name", (STANDING,))
    return [n for (n,) in cr.fetchall()]
