# The Docker engine. A machine with an init system has it running already; a
# container or a CI runner without one gets a daemon in the background.

engine_answers() { docker version --format '{{.Server.Version}}' 2>/dev/null; }

setup_engine() {
	local version
	if version=$(engine_answers); then
		say engine "Docker $version answers"
		return
	fi
	is_root || die "the Docker engine does not answer (docker info); start it, or add $(id -un) to the group docker"
	[ -z "${DOCKER_HOST:-}" ] || die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST for an engine of this machine"
	has dockerd || die "there is no dockerd on this machine; run: test/setup/setup packages"
	# A session of its own, so that it outlives this terminal.
	setsid dockerd >>"$cache/dockerd.log" 2>&1 </dev/null &
	for _ in $(seq 100); do
		if version=$(engine_answers); then
			say engine "Docker $version started (log: $cache/dockerd.log)"
			return
		fi
		sleep 0.3
	done
	tail -n 15 "$cache/dockerd.log" >&2
	die "dockerd did not come up within 30 seconds (log: $cache/dockerd.log)"
}
