"""Writes the modules that come with the image, when it is built: those of a
database without any application, and a few that people install."""
import os

from odoo import release

# name: dependencies; the first group installs itself with web.
AUTO = {
    "base": [], "web": ["base"], "base_setup": ["base", "web"], "bus": ["base", "web"],
    "iap": ["web", "base_setup"], "web_tour": ["web"], "html_editor": ["base", "bus", "web"],
    "web_editor": ["bus", "web", "html_editor"], "web_unsplash": ["base_setup", "html_editor"],
    "base_import": ["web"], "base_import_module": ["web"], "auth_totp": ["web"],
}
OTHER = {
    "mail": ["base", "base_setup", "bus", "web_tour", "html_editor"], "contacts": ["base", "mail"],
    "product": ["base", "mail"], "account": ["base_setup", "product"], "sale": ["account"],
    "crm": ["base_setup", "mail", "contacts"], "stock": ["product"], "purchase": ["account"],
    "fetchmail": ["mail"],
}

NEUTRALIZE = """\
UPDATE ir_mail_server SET active = false;
INSERT INTO ir_mail_server (name, smtp_port, smtp_host, smtp_encryption, smtp_authentication, active)
VALUES ('neutralization - disable emails', 1025, 'invalid', 'none', 'login', true);
UPDATE ir_cron SET active = false
 WHERE id NOT IN (SELECT res_id FROM ir_model_data
                   WHERE module = 'base' AND name = 'autovacuum_job' AND model = 'ir.cron');
INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true')
    ON CONFLICT (key) DO UPDATE SET value = 'true';
"""


def write(root):
    for name, depends in {**AUTO, **OTHER}.items():
        module = os.path.join(root, name)
        os.makedirs(os.path.join(module, "data"), exist_ok=True)
        version = {"base": "1.3", "iap": "1.1", "web_unsplash": "1.1"}.get(name, "1.0")
        with open(os.path.join(module, "__manifest__.py"), "w") as f:
            f.write(repr({"name": name, "version": version, "depends": depends,
                          "auto_install": name in AUTO and name not in ("base", "web"),
                          "license": "LGPL-3"}) + "\n")
        open(os.path.join(module, "__init__.py"), "w").close()
        if name == "base":
            with open(os.path.join(module, "data", "neutralize.sql"), "w") as f:
                f.write(NEUTRALIZE)


if __name__ == "__main__":
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "addons"))
    print("modules of Odoo %s written" % release.version)
