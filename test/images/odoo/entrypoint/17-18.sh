#!/bin/bash
# The rules of the official odoo image's entrypoint for Odoo 17 and 18 since
# spring 2026, written for odpm's tests: an option is added unless its key stands
# in $ODOO_RC, and PG* are what the variables fall back on.
set -e

# fill DEFAULT NAME…: the first that is not empty counts, and those before it
# take its value.
fill() {
	local value=$1 name
	shift
	for name; do [ -z "${!name}" ] || { value=${!name} && break; }; done
	for name; do [ -z "${!name}" ] || break; printf -v "$name" %s "$value"; done
}
# The file beats the variable, also one that is empty.
[ ! -v PASSWORD_FILE ] || PASSWORD=$(<$PASSWORD_FILE)
fill db HOST DB_PORT_5432_TCP_ADDR PGHOST
fill 5432 PORT DB_PORT_5432_TCP_PORT PGPORT
fill odoo USER DB_ENV_POSTGRES_USER POSTGRES_USER PGUSER
fill odoo PASSWORD DB_ENV_POSTGRES_PASSWORD POSTGRES_PASSWORD PGPASSWORD

login=()
option() {
	grep -qE "^\s*\b$1\b\s*=" "$ODOO_RC" || login+=("--$1" "$2")
}
option db_host "$HOST"
option db_port "$PORT"
option db_user "$USER"
option db_password "$PASSWORD"

case "$1" in
-- | odoo)
	shift
	if [ "$1" = scaffold ]; then
		exec odoo "$@"
	fi
	;;
-*) ;;
*)
	exec "$@"
	exit 1 # without a command
	;;
esac
# Without quotes: a password with a space is two arguments here.
wait-for-psql.py ${login[@]} --timeout=30
exec odoo "$@" "${login[@]}"
