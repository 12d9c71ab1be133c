# Client programs beside the servers that came without: psql, pg_dump and their
# kin of a major that is not older, since pg_dump refuses a newer server. For
# 16 to 18 they are taken out of the images, with their libraries; for 12 to
# 15 this machine's PostgreSQL 15 serves, or 17's where it has none.

client_programs="psql pg_dump pg_dumpall pg_restore pg_isready"

# client_unpack MAJOR: programs, libraries and the loader of postgres:MAJOR.
client_unpack() {
	local dir=$cache/pg/client-$1.part
	rm -rf "$dir"
	mkdir -p "$dir"
	docker run --rm --network none --entrypoint bash "postgres:$1" -euc '
		cd "/usr/lib/postgresql/$PG_MAJOR/bin"
		mkdir -p /tmp/out/bin /tmp/out/lib
		cp -L '"$client_programs"' /tmp/out/bin/
		ldd '"$client_programs"' | grep -o "/lib[^ ]*\|/usr/lib[^ ]*" | sort -u | while read -r f; do cp -L "$f" /tmp/out/lib/; done
		tar -C /tmp/out -cf - .' 2>>"$cache/log/clients.log" | tar -C "$dir" --no-same-owner -xf - ||
		die "psql and pg_dump could not be taken out of the image postgres:$1 (log: $cache/log/clients.log)"
	chmod -R a+rX "$dir"
	rm -rf "$cache/pg/client-$1"
	mv "$dir" "$cache/pg/client-$1"
}

# client_install SERVER CLIENT: pg_dumpall looks for pg_dump beside argv[0], so
# the wrappers keep their own name.
client_install() {
	local p to=$cache/pg/$1/bin from=$cache/pg/client-$2
	for p in $client_programs; do
		cat >"$to/$p.part" <<-SCRIPT
			#!/bin/sh
			exec "$from/lib/ld-linux-x86-64.so.2" --argv0 "\$0" --library-path "$from/lib" "$from/bin/$p" "\$@"
		SCRIPT
		chmod 755 "$to/$p.part"
		mv "$to/$p.part" "$to/$p"
	done
}

setup_clients() {
	local major id made=""
	for major in 12 13 14 15; do
		[ ! -x "$cache/pg/$major/bin/psql" ] && [ -x /usr/lib/postgresql/15/bin/psql ] || continue
		for id in $client_programs; do
			ln -sf "/usr/lib/postgresql/15/bin/$id" "$cache/pg/$major/bin/$id"
		done
		made="$made $major"
	done
	for major in 17 18; do
		id=$(docker image inspect --format '{{.Id}}' "postgres:$major") || die "the image postgres:$major is missing; run: test/images/build"
		if [ "$(cat "$cache/pg/client-$major/image" 2>/dev/null)" != "$id" ]; then
			client_unpack "$major"
			client_install "$major" "$major"
			"$cache/pg/$major/bin/psql" --version | grep -q " $major\." || die "psql $major does not run: $cache/pg/$major/bin/psql"
			echo "$id" >"$cache/pg/client-$major/image"
			made="$made $major"
		fi
		# A server that was fetched again came without.
		[ -x "$cache/pg/$major/bin/psql" ] || client_install "$major" "$major"
	done
	for major in 12 13 14 15 16; do
		[ -x "$cache/pg/$major/bin/psql" ] || client_install "$major" 17
	done
	say clients "psql and pg_dump for every server${made:+, made for$made}"
}
