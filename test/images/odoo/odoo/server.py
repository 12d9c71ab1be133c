"""HTTP: a page that needs PostgreSQL, health without it, and the login."""
import http.server
import json
import logging
import signal
import socket
import threading

import psycopg2

from odoo import passwords
from odoo.config import config
from odoo.db import connect

_logger = logging.getLogger("odoo.service.server")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/web/health"):
            return self.answer(200, "application/json", '{"status": "pass"}')
        try:
            connect("postgres").close()
        except psycopg2.Error as e:
            return self.answer(500, "text/plain", str(e))
        return self.answer(200, "text/html", "<!DOCTYPE html><title>Odoo</title>\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/web/session/authenticate":
            return self.answer(404, "text/plain", "not found")
        params = json.loads(body)["params"]
        uid = authenticate(params["db"], params["login"], params["password"])
        if uid is None:
            result = {"error": {"code": 200, "message": "Odoo Server Error", "data": {"message": "Access Denied"}}}
        else:
            result = {"result": {"uid": uid, "db": params["db"]}}
        return self.answer(200, "application/json", json.dumps({"jsonrpc": "2.0", **result}))

    def answer(self, code, kind, text):
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, form, *args):
        logging.getLogger("werkzeug").info("%s %s", self.client_address[0], form % args)


def authenticate(database, login, password):
    connection = connect(database)
    try:
        with connection.cursor() as cr:
            cr.execute("SELECT id, password FROM res_users WHERE login = %s AND active", (login,))
            row = cr.fetchone()
    finally:
        connection.close()
    return row[0] if row and row[1] and passwords.verify(password, row[1]) else None


def serve():
    done = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: done.set())
    servers = []
    ports = [config["http_port"]] if config["http_enable"] else []
    if int(config["workers"] or 0) > 0:
        ports.append(config["gevent_port"])
    for port in ports:
        httpd = http.server.ThreadingHTTPServer((str(config["http_interface"] or "0.0.0.0"), int(port)), Handler)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        servers.append(httpd)
        _logger.info("HTTP service (werkzeug) running on %s:%s", socket.gethostname(), port)
    done.wait()
    _logger.info("Initiating shutdown")
    for httpd in servers:
        httpd.shutdown()
