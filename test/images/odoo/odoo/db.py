"""Connections and the creation of a database, as Odoo makes them."""
import logging
import os

import psycopg2
from psycopg2 import errors, extensions, sql

from odoo.config import config

_logger = logging.getLogger("odoo.sql_db")


def connect(name):
    """Only what is set is passed on: libpq takes the rest from PG*."""
    args = {"dbname": name, "application_name": "odoo-%d" % os.getpid()}
    for key in ("host", "port", "user", "password", "sslmode"):
        if config.get("db_" + key):
            args[key] = config["db_" + key]
    try:
        return psycopg2.connect(**args)
    except psycopg2.Error:
        _logger.info("Connection to the database failed")
        raise


def create_empty(name):
    """True if it was made, False if it is there or may not be made."""
    connection = connect("postgres")
    connection.set_isolation_level(extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    try:
        with connection.cursor() as cr:
            cr.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cr.fetchone():
                return False
            template = config["db_template"]
            collate = sql.SQL(" LC_COLLATE 'C'") if template == "template0" else sql.SQL("")
            try:
                cr.execute(sql.SQL("CREATE DATABASE {} ENCODING 'unicode'{} TEMPLATE {}").format(
                    sql.Identifier(name), collate, sql.Identifier(template)))
            except errors.InsufficientPrivilege as e:
                _logger.info("Could not determine if database %s exists, skipping auto-creation: %s", name, e)
                return False
    finally:
        connection.close()
    # In one transaction, as in Odoo: where unaccent fails, pg_trgm goes with it.
    connection = connect(name)
    try:
        with connection, connection.cursor() as cr:
            cr.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            if config.get("unaccent"):
                cr.execute("CREATE EXTENSION IF NOT EXISTS unaccent")
                cr.execute("ALTER FUNCTION unaccent(text) IMMUTABLE")
    except psycopg2.Error as e:
        _logger.warning("Unable to create PostgreSQL extensions : %s", e)
    finally:
        connection.close()
    return True


def initialised(cr):
    cr.execute("SELECT to_regclass('ir_module_module')")
    return cr.fetchone()[0] is not None
