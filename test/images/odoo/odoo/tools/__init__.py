"""Odoo's own place and name for its configuration."""
from odoo.config import config as _config


class _Tools:
    @staticmethod
    def parse_config(args=None):
        _config.parse(list(args or []))


config = _Tools()
