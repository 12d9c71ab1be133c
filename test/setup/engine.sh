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
	forget_ended dockerd /var/run/docker.pid
	forget_ended containerd /var/run/docker/containerd/containerd.pid
	# A session of its own, so that it outlives this terminal. dockerd runs itself
	# anew several times for each container that starts, and a third of what that
	# takes of the processor is its garbage collection.
	GOGC=400 setsid dockerd >>"$cache/dockerd.log" 2>&1 </dev/null &
	local daemon=$! deadline=$((SECONDS + 120))
	while ((SECONDS < deadline)); do
		if version=$(engine_answers); then
			say engine "Docker $version started (log: $cache/dockerd.log)"
			return
		fi
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.3
	done
	tail -n 15 "$cache/dockerd.log" >&2
	if kill -0 "$daemon" 2>/dev/null; then
		die "dockerd did not answer within 120 seconds (log: $cache/dockerd.log)"
	fi
	die "dockerd ended before it answered (log: $cache/dockerd.log)"
}

# forget_ended PROGRAM FILE removes a pid file of a daemon that was killed. Its
# number may belong to any other process by now, and dockerd only asks whether
# there is one: it would wait for a containerd that does not exist.
forget_ended() {
	local pid
	pid=$(cat "$2" 2>/dev/null) || return 0
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || rm -f "$2"
}
