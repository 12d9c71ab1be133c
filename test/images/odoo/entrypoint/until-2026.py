#!/usr/bin/python3
"""Waits until a login into the database postgres works, as the official image
did up to spring 2026."""
import argparse
import sys
import time

import psycopg2

parser = argparse.ArgumentParser()
for name in ("host", "port", "user", "password"):
    parser.add_argument("--db_" + name, required=True)
parser.add_argument("--timeout", type=int, default=5)
args = parser.parse_args()

end = time.time() + args.timeout
while True:
    try:
        psycopg2.connect(user=args.db_user, host=args.db_host, port=args.db_port,
                         password=args.db_password, dbname="postgres").close()
        break
    except psycopg2.OperationalError as e:
        if time.time() >= end:
            print("Database connection failure: %s" % e, file=sys.stderr)
            sys.exit(1)
    time.sleep(1)
