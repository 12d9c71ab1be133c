"""Options: the command line beats the configuration file, which beats PG* in
the environment (libpq reads those where nothing is given), as up to Odoo 18.
Odoo 19 reads PG* itself, and they beat the file, empty ones too."""
import configparser
import optparse
import os
import sys

from odoo import release

# Option strings, key of odoo.conf, default.
STRINGS = [
    (("-d", "--database"), "db_name"),
    (("-r", "--db_user"), "db_user"),
    (("-w", "--db_password"), "db_password"),
    (("--db_host",), "db_host"),
    (("--db_port",), "db_port"),
    (("--db_sslmode",), "db_sslmode"),
    (("--db_maxconn",), "db_maxconn"),
    (("--db-template",), "db_template"),
    (("--db-filter",), "dbfilter"),
    (("-D", "--data-dir"), "data_dir"),
    (("--addons-path",), "addons_path"),
    (("--upgrade-path",), "upgrade_path"),
    (("--load",), "server_wide_modules"),
    (("--http-interface",), "http_interface"),
    (("-p", "--http-port"), "http_port"),
    (("--gevent-port", "--longpolling-port"), "gevent_port"),
    (("--logfile",), "logfile"),
    (("--log-level",), "log_level"),
    (("--log-handler",), "log_handler"),
    (("--log-db",), "log_db"),
    (("--workers",), "workers"),
    (("--max-cron-threads",), "max_cron_threads"),
    (("--limit-memory-soft",), "limit_memory_soft"),
    (("--limit-memory-hard",), "limit_memory_hard"),
    (("--limit-time-cpu",), "limit_time_cpu"),
    (("--limit-time-real",), "limit_time_real"),
    (("--load-language",), "load_language"),
    (("--language",), "language"),
    (("--without-demo",), "without_demo"),
    (("--pidfile",), "pidfile"),
    (("--dev",), "dev_mode"),
    (("--test-tags",), "test_tags"),
    (("--email-from",), "email_from"),
    (("--smtp",), "smtp_server"),
]
FLAGS = [
    (("--stop-after-init",), "stop_after_init", True),
    (("--no-http",), "http_enable", False),
    (("--no-database-list",), "list_db", False),
    (("--proxy-mode",), "proxy_mode", True),
    (("--unaccent",), "unaccent", True),
    (("--test-enable",), "test_enable", True),
    (("--syslog",), "syslog", True),
    (("--stdout",), "to_stdout", True),
    (("-s", "--save"), "save", True),
]
DEFAULTS = {
    "data_dir": os.path.join(os.path.expanduser("~"), ".local", "share", "Odoo"),
    "db_template": "template0", "http_interface": "", "http_port": "8069",
    "gevent_port": "8072", "http_enable": True, "list_db": True, "addons_path": "", "workers": "0",
    "server_wide_modules": "base,web",
}


def unset(value):
    """False and the empty string are no value; None is text before Odoo 19."""
    return value in (None, False, "", "False", "false") or value == "None" and int(release.version.split(".")[0]) >= 19


class Config(dict):
    """The values that are in force; unset ones are None."""

    def parse(self, argv):
        parser = optparse.OptionParser(version="Odoo Server %s" % release.version)
        parser.add_option("-c", "--config", dest="config")
        parser.add_option("-i", "--init", dest="init")
        parser.add_option("-u", "--update", dest="update")
        for names, dest in STRINGS:
            parser.add_option(*names, dest=dest, default=None)
        for names, dest, value in FLAGS:
            parser.add_option(*names, dest=dest, action="store_const", const=value, default=None)
        options, rest = parser.parse_args(argv)
        if rest:
            parser.error("unrecognized parameters: '%s'" % " ".join(rest))

        self.update(DEFAULTS)
        self.rcfile = os.path.abspath(options.config or os.environ.get("ODOO_RC") or os.path.expanduser("~/.odoorc"))
        if options.config and not os.path.exists(options.config):
            parser.error("The config file '%s' selected with -c/--config doesn't exist or is not readable, "
                         "use -s/--save if you want to generate it" % options.config)
        self.read_file()
        if int(release.version.split(".")[0]) >= 19:
            for name in ("HOST", "PORT", "USER", "PASSWORD", "SSLMODE"):
                if "PG" + name in os.environ:
                    self["db_" + name.lower()] = os.environ["PG" + name]
            self["db_name"] = os.environ.get("PGDATABASE", self.get("db_name"))
        for key, value in vars(options).items():
            # An empty option counts from 19 on.
            if value is not None and (value != "" or int(release.version.split(".")[0]) >= 19):
                self[key] = value
        for key in ("db_host", "db_port", "db_user", "db_password", "db_name", "db_sslmode"):
            self[key] = None if unset(self.get(key)) else self[key]
        for key in ("init", "update"):
            self[key] = [m.strip() for m in (getattr(options, key) or "").split(",") if m.strip()]
        return self

    def read_file(self):
        reader = configparser.RawConfigParser()
        try:
            reader.read([self.rcfile])
        except (OSError, configparser.Error) as e:
            sys.exit("odoo: %s: %s" % (self.rcfile, e))
        if not reader.has_section("options"):
            return
        for name, value in reader.items("options"):
            name = {"xmlrpc_port": "http_port", "longpolling_port": "gevent_port",
                    "xmlrpc_interface": "http_interface"}.get(name, name)
            if value in ("True", "true"):
                value = True
            elif value in ("False", "false"):
                value = False
            self[name] = value

    def databases(self):
        return [d.strip() for d in (self["db_name"] or "").split(",") if d.strip()]

    def addons_paths(self):
        """Where modules are looked for: Odoo's own first."""
        own = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "addons"),
               os.path.join(str(self["data_dir"]), "addons", release.version)]
        given = [p.strip() for p in str(self["addons_path"] or "").split(",") if p.strip()]
        return [p for p in own + given if os.path.isdir(p)]


config = Config()
