# The linter, at the version that the configuration was written for.

lint_version=v2.15.0

setup_lint() {
	local bin=$cache/bin/golangci-lint
	if [ ! -x "$bin" ] || [ "$(cat "$bin.version" 2>/dev/null)" != $lint_version ]; then
		# GOFLAGS of the project (-mod=…) do not concern a tool.
		GOFLAGS='' GOBIN=$cache/bin quietly lint go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$lint_version"
		echo $lint_version >"$bin.version"
	fi
	say lint "golangci-lint $lint_version"
}
