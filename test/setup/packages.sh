# Debian packages: the engine, what builds images without a registry, and the
# PostgreSQL whose extensions the tests of Odoo databases need.

missing_native() {
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || echo postgresql-15
	has psql || echo postgresql-client
}

missing_packages() {
	# A client alone is no engine, unless it reaches one elsewhere.
	has dockerd || engine_answers >/dev/null || [ -n "${DOCKER_HOST:-}" ] || echo docker.io
	# What base images are made with; only root can.
	! is_root || has debootstrap || [ -x /usr/sbin/debootstrap ] || echo debootstrap
	! is_root || [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
	# For the dockerd that the next step starts.
	has iptables || [ -x /usr/sbin/iptables ] || engine_answers >/dev/null || [ -n "${DOCKER_HOST:-}" ] || echo iptables
	has make || echo make
	# What the examples of CI jobs use.
	has curl || echo curl
	has jq || echo jq
	has npm || echo npm
	has pgbouncer || [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
	has python3 || echo python3
	has strace || echo strace
	[ -e /usr/share/i18n/locales/de_DE ] || echo locales
	missing_native
}

setup_packages() {
	install_packages packages "$(missing_packages | tr '\n' ' ')"
	setup_german
}

# What the demonstration and the benchmark need: no engine, no images.
setup_native() { install_packages native "$(missing_native | tr '\n' ' ')"; }

# What make torture breaks things with, and the compiler of the race detector's part.
setup_faults() {
	install_packages faults "$({
		missing_native
		has cc || echo gcc libc6-dev
		has strace || echo strace
		has python3 || echo python3
		has mkfs.ext4 || [ -x /sbin/mkfs.ext4 ] || echo e2fsprogs
	} | tr '\n' ' ')"
}

# What make engines starts beside the engine of the tests. Podman only recommends
# what its networks are made with.
setup_engines() {
	install_packages engines "$({
		has podman || echo podman netavark aardvark-dns
		has slirp4netns || echo slirp4netns
		has newuidmap || echo uidmap
		has fuse-overlayfs || echo fuse-overlayfs
		has dockerd || echo docker.io
		has ip || [ -x /sbin/ip ] || echo iproute2
	} | tr '\n' ' ')"
}

# What make test-dist needs: shells to press TAB in, and what reads packages and
# manual pages.
setup_release() {
	local want=() name
	for name in zsh fish rpm man; do
		has "$name" || want+=("${name/#%man/man-db}")
	done
	[ -e /usr/share/bash-completion/bash_completion ] || want+=(bash-completion)
	install_packages release "${want[*]}"
}

# install_packages STEP NAMES
install_packages() {
	local want=$2
	if [ -z "$want" ]; then
		say "$1" "all there"
		return
	fi
	if ! is_root; then
		die "missing on this machine: $want
       As root on Debian or Ubuntu, make setup installs them. Elsewhere install them
       yourself (your own Docker daemon is used as it is), and run it again."
	fi
	has apt-get || die "missing on this machine: ${want}(and there is no apt-get to install them with)"
	export DEBIAN_FRONTEND=noninteractive
	quietly packages apt-get update
	# A distribution of another year has another major; 15 comes from the cache then.
	apt-cache show postgresql-15 >/dev/null 2>&1 || want=${want/postgresql-15/postgresql}
	# PostgreSQL's package would make and start a cluster that nobody asked for.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	# shellcheck disable=SC2086 # a list of package names
	quietly packages apt-get install -y --no-install-recommends $want
	say "$1" "installed $want"
}

# One language beside English: servers whose messages are translated are where
# a program that reads messages fails.
setup_german() {
	locale -a 2>/dev/null | grep -qix 'de_DE.utf-\?8' && return
	is_root || { say packages "no locale de_DE.UTF-8 (as root: localedef -i de_DE -f UTF-8 de_DE.UTF-8)"; return; }
	quietly packages localedef -i de_DE -f UTF-8 de_DE.UTF-8
}
