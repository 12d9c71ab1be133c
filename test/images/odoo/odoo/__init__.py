"""What stands in for Odoo in odpm's tests.

It follows Odoo where odpm can see it: options and their precedence, the
connection, exit codes, log lines, the tables that a database manager reads and
changes, the filestore. There is no business logic in it.
"""
