# The compose plugin, built from source where the machine has none: Debian's
# docker.io comes without it.

compose_version=v5.6.0

build_compose() {
	quietly compose go get "github.com/docker/compose/v5/cmd@$compose_version"
	quietly compose go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$compose_version" \
		-o "$1" github.com/docker/compose/v5/cmd
}

setup_compose() {
	local version
	if version=$(docker compose version --short 2>/dev/null); then
		say compose "$version"
		return
	fi
	local built=$cache/bin/docker-compose-$compose_version
	if [ ! -x "$built" ]; then
		in_module compose build_compose "$built.part"
		mv "$built.part" "$built"
	fi
	# For root the place that does not depend on HOME: tests set their own.
	local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
	is_root && plugins=/usr/local/lib/docker/cli-plugins
	mkdir -p "$plugins"
	install -m 755 "$built" "$plugins/docker-compose"
	version=$(docker compose version --short) || die "docker does not run the plugin $plugins/docker-compose"
	say compose "$version built into $plugins"
}
