"""passlib's pbkdf2_sha512, which Odoo stores passwords with."""
import base64
import hashlib
import os

ROUNDS = 600000


def encode64(raw):
    return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")


def decode64(text):
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))


def digest(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)


def make(password):
    salt = os.urandom(16)
    return "$pbkdf2-sha512$%d$%s$%s" % (ROUNDS, encode64(salt), encode64(digest(password, salt, ROUNDS)))


def verify(password, stored):
    try:
        _, scheme, rounds, salt, want = stored.split("$")
        return scheme == "pbkdf2-sha512" and digest(password, decode64(salt), int(rounds)) == decode64(want)
    except ValueError:
        return False
