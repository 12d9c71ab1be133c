#!/usr/bin/env bash
# The rules of the official postgres image's entrypoint, as its documentation
# and its behaviour show them. Written for odpm's tests.
set -Eeuo pipefail

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# secret NAME DEFAULT: the variable, or the contents of the file in NAME_FILE.
secret() {
	local name=$1 file=$1_FILE
	if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
		fail "error: both $name and $file are set (but are exclusive)"
	fi
	local value=${2:-}
	if [ -n "${!name:-}" ]; then
		value=${!name}
	elif [ -n "${!file:-}" ]; then
		value=$(<"${!file}")
	fi
	export "$name=$value"
	unset "$file"
}

initialised() { [ -s "$PGDATA/PG_VERSION" ]; }

# From 18 on the image keeps data in a directory of its major. A cluster where
# the older images had theirs would be left aside in silence, and a new empty
# one made: that is refused.
refuse_old_layout() {
	[ "$PG_MAJOR" -ge 18 ] && [ "$PGDATA" = "/var/lib/postgresql/$PG_MAJOR/docker" ] && ! initialised || return 0
	local dir found=()
	for dir in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
		[ ! -s "$dir/PG_VERSION" ] || found+=("$dir")
	done
	if [ ${#found[@]} = 0 ] && mountpoint -q /var/lib/postgresql/data; then
		found+=("/var/lib/postgresql/data (unused mount/volume)")
	fi
	[ ${#found[@]} = 0 ] || fail \
		"Error: in 18+, these Docker images are configured to store database data in a" \
		"       format which is compatible with \"pg_ctlcluster\" (a directory of the major below" \
		"       /var/lib/postgresql). Counter to that, there appears to be PostgreSQL data in:" \
		"         ${found[*]}"
}

make_directories() {
	mkdir -p "$PGDATA"
	chmod 0700 "$PGDATA" || :
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		[ "$(id -u)" != 0 ] || chown -R postgres "$POSTGRES_INITDB_WALDIR"
	fi
	if [ "$(id -u)" = 0 ]; then
		find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
		find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
	fi
}

require_password() {
	if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
		fail "Error: Database is uninitialized and superuser password is not specified." \
			"       You must specify POSTGRES_PASSWORD to a non-empty value for the" \
			"       superuser. For example, \"-e POSTGRES_PASSWORD=password\" on \"docker run\"." \
			"" \
			"       You may also use \"POSTGRES_HOST_AUTH_METHOD=trust\" to allow all" \
			"       connections without a password. This is *not* recommended."
	fi
}

init_cluster() {
	# initdb asks for the name of its uid; a container run with --user may have none.
	if ! getent passwd "$(id -u)" >/dev/null; then
		local wrapper
		wrapper=$(ls /usr/lib/*/libnss_wrapper.so 2>/dev/null | head -n 1)
		NSS_WRAPPER_PASSWD=$(mktemp)
		NSS_WRAPPER_GROUP=$(mktemp)
		printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
		printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
		export LD_PRELOAD=$wrapper NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
	fi
	local args=()
	# The person quotes as in a shell.
	eval "args=(${POSTGRES_INITDB_ARGS:-})"
	[ -z "${POSTGRES_INITDB_WALDIR:-}" ] || args=(--waldir "$POSTGRES_INITDB_WALDIR" "${args[@]}")
	initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
	if [ -n "${NSS_WRAPPER_PASSWD:-}" ]; then
		rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
		unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
	fi
}

# initdb trusts the loopback addresses and has no line for any other.
write_hba() {
	local method=${POSTGRES_HOST_AUTH_METHOD:-}
	[ -n "$method" ] || method=$(postgres -C password_encryption "$@")
	{
		printf '\n'
		if [ "$method" = trust ]; then
			printf '# warning trust is enabled for all connections\n'
			printf '# see https://www.postgresql.org/docs/%s/auth-trust.html\n' "$PG_MAJOR"
		fi
		printf 'host all all all %s\n' "$method"
	} >>"$PGDATA/pg_hba.conf"
}

# The server of the first start listens on its socket only: nobody connects
# before the scripts have run.
temporary_server() {
	NOTIFY_SOCKET='' PGUSER=${PGUSER:-$POSTGRES_USER} \
		pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}")" -w start
}

sql() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

make_database() {
	local there
	there=$(sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db'")
	if [ -z "$there" ]; then
		sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
		printf '\n'
	fi
}

run_scripts() {
	local f
	printf '\n'
	for f in /docker-entrypoint-initdb.d/*; do
		case $f in
		*.sh)
			if [ -x "$f" ]; then
				printf '%s: running %s\n' "$0" "$f"
				"$f"
			else
				printf '%s: sourcing %s\n' "$0" "$f"
				. "$f"
			fi
			;;
		*.sql) printf '%s: running %s\n' "$0" "$f"; sql --dbname "$POSTGRES_DB" -f "$f"; printf '\n' ;;
		*.sql.gz) printf '%s: running %s\n' "$0" "$f"; gunzip -c "$f" | sql --dbname "$POSTGRES_DB"; printf '\n' ;;
		*.sql.xz) printf '%s: running %s\n' "$0" "$f"; xzcat "$f" | sql --dbname "$POSTGRES_DB"; printf '\n' ;;
		'/docker-entrypoint-initdb.d/*') ;;
		*) printf '%s: ignoring %s\n' "$0" "$f" ;;
		esac
		printf '\n'
	done
}

# first_start ARGUMENT…: what the server itself will be started with.
first_start() {
	require_password
	# Asked before the long work, as it would fail after it.
	ls /docker-entrypoint-initdb.d/ >/dev/null
	init_cluster
	write_hba "$@"
	export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
	temporary_server "$@"
	make_database
	run_scripts
	PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

asks_for_help() {
	local a
	for a; do
		case $a in -'?' | --help | --describe-config | -V | --version) return 0 ;; esac
	done
	return 1
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "${1:-}" = postgres ] && ! asks_for_help "$@"; then
	# While still root: a secret's file may be root's alone.
	secret POSTGRES_PASSWORD
	secret POSTGRES_USER postgres
	secret POSTGRES_DB "$POSTGRES_USER"
	secret POSTGRES_INITDB_ARGS
	make_directories
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/lib/postgresql "$BASH_SOURCE" "$@"
	fi
	refuse_old_layout
	if initialised; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		first_start "${@:2}"
	fi
fi
exec "$@"
