# Kubernetes, built from source: an API server with its etcd, and what makes a
# node of this machine. The Go module proxy has all of it, and no binaries.

# The kubelet of 1.35 refuses cgroup v1 unless it is allowed by configuration.
kubernetes_version=v1.34.4
etcd_version=v3.6.16

kubernetes_has() { [ -x "$cache/kubernetes/$1" ] && [ "$(cat "$cache/kubernetes/$1.version" 2>/dev/null)" = "$2" ]; }

# kubernetes_program NAME VERSION PACKAGE LDFLAGS
kubernetes_program() {
	local out=$cache/kubernetes/$1
	mkdir -p "$cache/kubernetes"
	quietly kubernetes go build -trimpath -ldflags "-s -w $4" -o "$out.part" "$3"
	mv "$out.part" "$out"
	echo "$2" >"$out.version"
}

build_etcd() {
	quietly kubernetes go get "go.etcd.io/etcd/server/v3@$etcd_version"
	kubernetes_program etcd $etcd_version go.etcd.io/etcd/server/v3 ""
}

# build_kubernetes PROGRAM… Kubernetes' own go.mod replaces its libraries with
# directories of its repository, which a module does not contain: v1.34.4 of
# the programs is v0.34.4 of them.
build_kubernetes() {
	local gomod library name stamp=k8s.io/component-base/version minor=${kubernetes_version#v1.}
	gomod=$(go mod download -json "k8s.io/kubernetes@$kubernetes_version" 2>>"$cache/log/kubernetes.log" | sed -n 's/^.*"GoMod": "\(.*\)".*$/\1/p') || true
	[ -r "$gomod" ] || die "k8s.io/kubernetes@$kubernetes_version was not downloaded (log: $cache/log/kubernetes.log)"
	for library in $(sed -n 's|^.*=> \./staging/src/\([^ ]*\)$|\1|p' "$gomod"); do
		go mod edit -replace "$library=$library@v0.$minor"
	done
	go mod edit -require "k8s.io/kubernetes@$kubernetes_version"
	for name in "$@"; do
		# Without the version kubectl and the kubelet are v0.0.0 to each other.
		kubernetes_program "$name" $kubernetes_version "k8s.io/kubernetes/cmd/$name" \
			"-X $stamp.gitVersion=$kubernetes_version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes_version"
	done
}

# kubernetes_build PROGRAM… builds those that the cache lacks.
kubernetes_build() {
	local name missing=()
	for name in "$@"; do
		kubernetes_has "$name" $kubernetes_version || missing+=("$name")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		in_module kubernetes build_kubernetes "${missing[@]}"
	fi
}

# built_since SECONDS says how long it took, where it was more than a look.
built_since() { ((SECONDS - $1 < 3)) || echo ", built in $((SECONDS - $1)) s"; }

setup_apiserver() {
	local begun=$SECONDS
	if ! kubernetes_has etcd $etcd_version; then
		in_module kubernetes build_etcd
	fi
	kubernetes_build kube-apiserver
	say apiserver "kube-apiserver $kubernetes_version, etcd $etcd_version$(built_since $begun)"
}

setup_node() {
	local begun want=""
	is_root || die "a node of Kubernetes makes mounts, cgroups and a bridge: run this as root"
	has ip || [ -x /usr/sbin/ip ] || want+=" iproute2"
	has containerd || want+=" containerd"
	[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || want+=" containernetworking-plugins"
	install_packages node "${want# }"
	setup_apiserver
	begun=$SECONDS
	kubernetes_build kubelet kube-controller-manager kube-scheduler kubectl
	say node "kubelet, controller-manager, scheduler and kubectl $kubernetes_version$(built_since $begun)"
}
