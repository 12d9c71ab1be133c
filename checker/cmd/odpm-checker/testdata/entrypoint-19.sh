#!/bin/bash
# The rules of the official image's entrypoint from Odoo 19 on, retold: an
# argument is appended only where neither $ODOO_RC has the key nor libpq's
# variable is set.
set -e
[ -v PASSWORD_FILE ] && PASSWORD="$(< "$PASSWORD_FILE")"
HOST=${HOST:-${DB_PORT_5432_TCP_ADDR:-db}}
PORT=${PORT:-${DB_PORT_5432_TCP_PORT:-5432}}
USER=${USER:-${DB_ENV_POSTGRES_USER:-${POSTGRES_USER:-odoo}}}
PASSWORD=${PASSWORD:-${DB_ENV_POSTGRES_PASSWORD:-${POSTGRES_PASSWORD:-odoo}}}

appended=()
check_config() {
	[[ -v $3 ]] && return
	grep -qE "^\s*\b$1\b\s*=" "$ODOO_RC" || appended+=("--$1" "$2")
}
check_config db_host "$HOST" PGHOST
check_config db_port "$PORT" PGPORT
check_config db_user "$USER" PGUSER
check_config db_password "$PASSWORD" PGPASSWORD

case $1 in
-- | odoo) shift; [ "$1" = scaffold ] && exec odoo "$@"; exec odoo "$@" "${appended[@]}" ;;
-*) exec odoo "$@" "${appended[@]}" ;;
*) exec "$@" ;;
esac
