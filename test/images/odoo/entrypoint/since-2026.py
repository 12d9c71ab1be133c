#!/usr/bin/python3
"""Waits until a login into the database postgres works, as the official image
does since spring 2026: odoo.conf, then the arguments, then PG*."""
import argparse
import configparser
import os
import sys
import time

import psycopg2

NAMES = ("host", "port", "user", "password")
parser = argparse.ArgumentParser()
for name in NAMES:
    parser.add_argument("--db_" + name)
parser.add_argument("--timeout", type=int, default=5)
args = parser.parse_args()

conf = {}
if os.environ.get("ODOO_RC"):
    reader = configparser.RawConfigParser()
    reader.read(os.environ["ODOO_RC"])
    # A file without [options] ends it, as there.
    conf = dict(reader.items("options"))
login = {name: conf.get("db_" + name) or getattr(args, "db_" + name) or os.environ.get("PG" + name.upper())
         for name in NAMES}
missing = [name for name in NAMES if login[name] is None]
if missing:
    sys.exit("not given: " + ", ".join("db_" + name for name in missing))

end = time.time() + args.timeout
while True:
    try:
        psycopg2.connect(dbname="postgres", **login).close()
        break
    except psycopg2.OperationalError as e:
        if time.time() >= end:
            sys.exit("Database connection failure: %s" % e)
    time.sleep(1)
