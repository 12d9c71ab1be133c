# Shared by the set-up scripts; sourced, never run.
#
# A step is silent while all goes well: it prints one line, and what its
# commands said stands in the cache's log directory.

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The tests find the cache by the same rule (test/localpg).
if [ -n "${ODPM_TEST_CACHE:-}" ]; then
	cache=$ODPM_TEST_CACHE
elif [ "$(id -u)" = 0 ]; then
	cache=/var/cache/odpm-test
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/odpm-test
fi
mkdir -p "$cache/log" "$cache/bin"

is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%-10s %s\n' "$1" "$2"; }
die() {
	printf 'setup: %s\n' "$1" >&2
	exit 1
}

# quietly LOG COMMAND… runs a command with its output in LOG, and shows the
# end of it if the command fails.
quietly() {
	local log=$cache/log/$1.log
	shift
	if ! "$@" </dev/null >>"$log" 2>&1; then
		printf 'setup: failed: %s\n' "$*" >&2
		tail -n 20 "$log" | sed 's/^/    /' >&2
		printf 'setup: all of it is in %s\n' "$log" >&2
		return 1
	fi
}

# in_module STEP COMMAND… runs a function in the directory of a new Go module,
# where programs of other modules can be built, static and whatever GOFLAGS of
# the project say.
in_module() {
	local name=$1
	shift
	(
		dir=$(mktemp -d)
		trap 'rm -rf "$dir"' EXIT
		cd "$dir"
		export GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0
		quietly "$name" go mod init "$name.invalid"
		"$@"
	)
}
