#!/bin/bash
# The rules of the official image's entrypoint up to Odoo 18, retold: all four
# arguments are always appended, from $ODOO_RC where the key stands there.
set -e
[ -v PASSWORD_FILE ] && PASSWORD="$(< "$PASSWORD_FILE")"
HOST=${HOST:-${DB_PORT_5432_TCP_ADDR:-db}}
PORT=${PORT:-${DB_PORT_5432_TCP_PORT:-5432}}
USER=${USER:-${DB_ENV_POSTGRES_USER:-${POSTGRES_USER:-odoo}}}
PASSWORD=${PASSWORD:-${DB_ENV_POSTGRES_PASSWORD:-${POSTGRES_PASSWORD:-odoo}}}

appended=()
check_config() {
	local found=$2 key="^\s*\b$1\b\s*="
	if grep -qE "$key" "$ODOO_RC"; then
		found=$(grep -E "$key" "$ODOO_RC" | cut -d " " -f3 | sed 's/["\n\r]//g')
	fi
	appended+=("--$1" "$found")
}
check_config db_host "$HOST"
check_config db_port "$PORT"
check_config db_user "$USER"
check_config db_password "$PASSWORD"

case $1 in
-- | odoo) shift; [ "$1" = scaffold ] && exec odoo "$@"; exec odoo "$@" "${appended[@]}" ;;
-*) exec odoo "$@" "${appended[@]}" ;;
*) exec "$@" ;;
esac
