"""The command line: the server, neutralize, scaffold."""
import logging
import os
import sys

from odoo import modules, release, server
from odoo.config import config
from odoo.db import connect, create_empty, initialised

_logger = logging.getLogger("odoo")


class DatabaseName(logging.Filter):
    """Odoo's log lines carry the process and the database."""
    name_in_log = "?"

    def filter(self, record):
        record.dbname = DatabaseName.name_in_log
        return True


def start_logging():
    handler = logging.StreamHandler()
    if config.get("logfile"):
        handler = logging.FileHandler(config["logfile"])
    handler.addFilter(DatabaseName())
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(dbname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    level = str(config.get("log_level") or "info").upper()
    logging.getLogger().setLevel({"WARN": "WARNING", "TEST": "INFO"}.get(level.split("_")[0], level.split("_")[0]))


def refuse_postgres():
    if config["db_user"] == "postgres" or os.environ.get("PGUSER") == "postgres":
        sys.stderr.write("Using the database user 'postgres' is a security risk, aborting.")
        sys.exit(1)


def preload(name):
    """0, or -1 as Odoo has it for a database that could not be loaded."""
    DatabaseName.name_in_log = name
    try:
        init = list(config["init"])
        if create_empty(name):
            init.append("base")
        connection = connect(name)
        try:
            with connection, connection.cursor() as cr:
                modules.update(cr, name, init, config["update"])
            with connection, connection.cursor() as cr:
                if initialised(cr):
                    _logger.info("Registry loaded, %d modules", len(modules.installed(cr)))
        finally:
            connection.close()
        return 0
    except Exception:
        _logger.critical("Failed to initialize database `%s`.", name, exc_info=True)
        return -1


def run_server(argv):
    if os.getuid() == 0:
        sys.stderr.write("Running as user 'root' is a security risk.\n")
    config.parse(argv)
    refuse_postgres()
    start_logging()
    _logger.info("Odoo version %s", release.version)
    if os.path.isfile(config.rcfile):
        _logger.info("Using configuration file at %s", config.rcfile)
    _logger.info("addons paths: %s", config.addons_paths())
    _logger.info("database: %s@%s:%s", config["db_user"] or "default", config["db_host"] or "default",
                 config["db_port"] or "default")
    for d in ("sessions", "filestore"):
        try:
            os.makedirs(os.path.join(config["data_dir"], d), mode=0o700, exist_ok=True)
        except OSError as e:
            _logger.critical("the data directory cannot be written: %s", e)
            sys.exit(1)
    code = 0
    for name in config.databases():
        code = preload(name) or code
    if config.get("stop_after_init"):
        logging.shutdown()
        sys.exit(code)
    server.serve()


def neutralize(argv):
    config.parse(argv)
    refuse_postgres()
    start_logging()
    names = config.databases()
    if not names:
        sys.exit("Neutralize command needs a database name. Use \"-d\" argument")
    DatabaseName.name_in_log = names[0]
    _logger.info("Starting %s database neutralization", names[0])
    connection = connect(names[0])
    try:
        with connection, connection.cursor() as cr:
            for module in modules.installed(cr):
                # Modules that are not on the path are passed over in silence.
                path = os.path.join(modules.path_of(module) or "", "data", "neutralize.sql")
                if not modules.path_of(module) or not os.path.exists(path):
                    continue
                with open(path) as f:
                    if config.get("to_stdout"):
                        print(f.read())
                    else:
                        cr.execute(f.read())
    except Exception:
        _logger.critical("An error occurred during the neutralization. THE DATABASE IS NOT NEUTRALIZED!", exc_info=True)
        sys.exit(1)
    finally:
        connection.close()
    _logger.info("Neutralization finished")


def scaffold(argv):
    if not argv or argv[0].startswith("-"):
        sys.exit("usage: odoo scaffold name [dest]")
    root = os.path.join(argv[1] if len(argv) > 1 else ".", argv[0])
    os.makedirs(root)
    open(os.path.join(root, "__init__.py"), "w").close()
    with open(os.path.join(root, "__manifest__.py"), "w") as f:
        f.write(repr({"name": argv[0], "version": "0.1", "depends": ["base"]}) + "\n")


def main():
    argv = sys.argv[1:]
    commands = {"server": run_server, "neutralize": neutralize, "scaffold": scaffold}
    if argv and not argv[0].startswith("-"):
        if argv[0] not in commands:
            sys.exit("Unknown command '%s'" % argv[0])
        return commands[argv[0]](argv[1:])
    return run_server(argv)
