#!/usr/bin/env bash
# The main job in a minute, without Docker: an inherited cluster, a plan, a run,
# drift, a refusal, an acceptance. Everything happens in a directory of its own,
# on the loopback interface, and is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin
dir=$(mktemp -d "${TMPDIR:-/tmp}/odpm-demo.XXXXXX")
chmod 755 "$dir"

stop() { # DIR: ask the server there to end, by its pid
  local pid
  [ -f "$1/postmaster.pid" ] || return 0
  pid=$(head -n 1 "$1/postmaster.pid")
  kill -INT "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}
clean_up() {
  stop "$dir/acme/pg$major"
  stop "$dir/acme/pg$major-other"
  rm -rf "$dir"
}
trap clean_up EXIT

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold='' dim='' off=''; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$off"; }
typed() { # show the command as a person types it, run it, go on whatever it says
  local code=0
  printf '%s$ %s%s\n' "$dim" "$*" "$off"
  PATH=$bin:$PATH:$pgbin "$@" </dev/null 2>&1 || code=$?
  [ "$code" = 0 ] || printf '%s(exit code %s)%s\n' "$dim" "$code" "$off"
}

# The distribution's server, whichever it has; 18's data directory is made
# otherwise.
for major in 15 17 16 14 13 12; do
  for pgbin in "/usr/lib/postgresql/$major/bin" "/usr/pgsql-$major/bin" \
    "${ODPM_TEST_CACHE:-/var/cache/odpm-test}/pg/$major/bin" \
    "${ODPM_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/odpm-test}/pg/$major/bin"; do
    [ ! -x "$pgbin/initdb" ] || break 2
  done
done
[ -x "$pgbin/initdb" ] || { echo "demo: no PostgreSQL 12 to 17 on this machine; run: test/setup/setup servers" >&2; exit 1; }
# Servers run as this user, or as postgres for root, whom PostgreSQL refuses.
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
inherited() { # DIR [SQL]: a cluster that somebody else made
  mkdir -p "$1"
  [ "$(id -u)" != 0 ] || chown postgres:postgres "$1"
  (cd / && as "$pgbin/initdb" -D "$1" -U postgres --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --locale=C --no-sync >/dev/null)
  printf '%s\n' "${2:-SELECT 1}" | (cd / && as "$pgbin/postgres" --single -D "$1" postgres >/dev/null 2>&1)
}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

mkdir "$dir/acme"
inherited "$dir/acme/pg$major" 'CREATE DATABASE shop;'
inherited "$dir/acme/pg$major-other"
cd "$dir/acme"
cat >odpm.json <<JSON
{"postgres_version": "$major", "odoo_version": "18.0", "platform_name": "odoo"}
JSON
cat >.env <<ENV
ODPM_RUNTIME=native
POSTGRES_PORT=$port
POSTGRES_DATA_DIR=pg$major
ENV
cat >odoo.conf <<'CONF'
[options]
; somebody's settings stay as they are
db_host = localdb
db_user = odoo
db_password = a-long-password
CONF

say 'A project that somebody hands over: a data directory, an odoo.conf, a .env.'
typed ls -A
say 'What is it, and what would happen? A plan writes nothing.'
typed odpm plan
say 'Go: the role that Odoo needs is made, and the login is proven and recorded.'
typed odpm
typed odpm database status
say 'The PostgreSQL service gets another name: a warning, and a new baseline.'
echo 'POSTGRES_SERVICE_NAME=database' >>.env
typed odpm
say 'Somebody points the project at another data directory.'
sed -i "s/^POSTGRES_DATA_DIR=.*/POSTGRES_DATA_DIR=pg$major-other/" .env
typed odpm plan
say 'Without an answer nothing is written, stopped or started.'
typed odpm
say 'Accepted: the old server is stopped, the role is ensured in the new cluster.'
typed odpm --accept-database-drift=data_path
typed odpm plan
