#!/bin/bash
# The rules of the official odoo image's entrypoint up to spring 2026, written
# for odpm's tests: all four options come last, whatever else was given. A key
# in $ODOO_RC beats the variable; its value is the line's third word.
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
	local line value=$2
	if line=$(grep -E "^\s*\b$1\b\s*=" "$ODOO_RC"); then
		value=$(cut -d ' ' -f3 <<<"$line" | tr -d '"\r')
	fi
	login+=("--$1" "$value")
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
