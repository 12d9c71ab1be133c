#!/bin/bash
# The rules of the official odoo image's entrypoint for Odoo 19 since spring
# 2026, written for odpm's tests: an option is added unless its key stands in
# $ODOO_RC or libpq's variable is set, an empty one too: Odoo 19 reads that.
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
fill db HOST DB_PORT_5432_TCP_ADDR
fill 5432 PORT DB_PORT_5432_TCP_PORT
fill odoo USER DB_ENV_POSTGRES_USER POSTGRES_USER
fill odoo PASSWORD DB_ENV_POSTGRES_PASSWORD POSTGRES_PASSWORD

login=()
option() {
	[ ! -v "$3" ] || return 0
	grep -qE "^\s*\b$1\b\s*=" "$ODOO_RC" || login+=("--$1" "$2")
}
option db_host "$HOST" PGHOST
option db_port "$PORT" PGPORT
option db_user "$USER" PGUSER
option db_password "$PASSWORD" PGPASSWORD

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
