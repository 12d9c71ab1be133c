#!/bin/bash
# The rules of the official odoo image's entrypoint (up to Odoo 18), written
# for odpm's tests: a key in $ODOO_RC beats the variable, its value is the
# line's third word, and all four arguments come last.
set -e

# An empty variable counts as unset, and the file beats the variable.
if [ -v PASSWORD_FILE ]; then
	PASSWORD=$(<"$PASSWORD_FILE")
fi
HOST=${HOST:-${DB_PORT_5432_TCP_ADDR:-db}}
PORT=${PORT:-${DB_PORT_5432_TCP_PORT:-5432}}
USER=${USER:-${DB_ENV_POSTGRES_USER:-${POSTGRES_USER:-odoo}}}
PASSWORD=${PASSWORD:-${DB_ENV_POSTGRES_PASSWORD:-${POSTGRES_PASSWORD:-odoo}}}

arguments=()
check_config() {
	local line value=$2
	if line=$(grep -E "^\s*\b$1\b\s*=" "$ODOO_RC"); then
		value=$(cut -d ' ' -f3 <<<"$line" | tr -d '"\r')
	fi
	arguments+=("--$1" "$value")
}
check_config db_host "$HOST"
check_config db_port "$PORT"
check_config db_user "$USER"
check_config db_password "$PASSWORD"

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
	;;
esac
wait-for-psql.py "${arguments[@]}" --timeout=30
exec odoo "$@" "${arguments[@]}"
