"""Odoo's own place and name for the question where a module is."""
from odoo.modules import path_of


def get_module_path(module, downloaded=False, display_warning=True):
    return path_of(module) or False
