# odpm. `make` alone lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

# The rule of test/setup/lib.sh.
ifeq ($(shell id -u),0)
CACHE := $(or $(ODPM_TEST_CACHE),/var/cache/odpm-test)
else
CACHE := $(or $(ODPM_TEST_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/odpm-test)
endif

COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)

V := github.com/odpm/odpm/shared/version
GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X $(V).Number=$(VERSION) -X $(V).Commit=$(COMMIT) -X $(V).Date=$(DATE)"

.DEFAULT_GOAL := help
.PHONY: help setup build image install test race engines test-swarm test-takeover test-kubernetes-api test-kubernetes lint demo bench torture dist test-dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## prepare this machine for test, lint, demo and bench; the only target that installs packages
	@test/setup/setup

build: ## bin/odpm and bin/odpm-checker, static and stripped
	@echo 'building bin/odpm and bin/odpm-checker; the first time takes minutes'
	@$(GOBUILD) -o bin/odpm ./host/cmd/odpm
	@$(GOBUILD) -o bin/odpm-checker ./checker/cmd/odpm-checker

image: ## odpm-checker:VERSION, the program alone, to COPY --from or to run
	docker build -f Dockerfile.checker --target binary -t odpm-checker -t odpm-checker:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) .

install: build ## both programs into PREFIX/bin (PREFIX=/usr/local)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 bin/odpm bin/odpm-checker "$(DESTDIR)$(PREFIX)/bin/"

# The longest first, so that none of them is left to run alone at the end; three at
# once, since a good part of their time they wait for servers. go test prints
# results in this order. make lint vets them.
LONGEST = ./test/e2e ./host/odoodb ./host/engine/docker ./test/inherited ./host/odoodb/restore ./checker/cmd/odpm-checker

test: setup ## everything: unit, command line, native and Docker
	@echo 'the longest package is the first whose result is printed, after about ten minutes'
	test/in-memory $(GO) test -vet=off -p 3 -timeout 80m $(LONGEST) ./...

test-swarm: setup ## what odpm renders, on a real Swarm of this engine; alone, since other networks notice
	test/in-memory $(GO) test -tags swarm ./test/e2e -run 'TestSwarm$$' -count=1 -timeout 30m

SHAPES ?=
test-takeover: setup ## every shape of docs/how-to/taking-over.md on this engine: a stack that runs, adopted, undone, adopted again, and kept; SHAPES=DIR for your own
	test/in-memory $(GO) test -tags takeover ./test/takeover -count=1 -timeout 90m -v$(if $(SHAPES), -args -shapes '$(abspath $(SHAPES))')

test-kubernetes-api: ## what odpm renders, taken strictly by a real API server
	@test/setup/setup apiserver
	$(GO) test -tags kubernetes ./test/kubernetes -run 'TestAPI$$' -count=1

test-kubernetes: setup ## the same on a whole node of Kubernetes made of this machine, with pods; as root
	@test/setup/setup node
	$(GO) test -tags kubernetes ./test/kubernetes -run 'TestNode$$' -count=1 -timeout 60m -v

lint: ## gofmt, go vet, and the directions between packages
	@unformatted=$$(gofmt -l checker host release shared test); \
	if [ -n "$$unformatted" ]; then echo "not formatted; run: gofmt -w" $$unformatted; exit 1; fi
	@test/setup/setup lint
	$(CACHE)/bin/golangci-lint run ./...
	cd release && $(CACHE)/bin/golangci-lint run --config ../.golangci.yml ./...

demo: build ## the main job on a machine without Docker: an inherited cluster, adopted
	@test/setup/setup native
	test/demo.sh

picture: build ## docs/images/tour.svg, a recording of the demo
	@test/setup/setup native
	test/demo.sh | $(GO) run ./test/picture 2 3 6 >docs/images/tour.svg.new
	mv docs/images/tour.svg.new docs/images/tour.svg

bench: ## the figures that odpm promises, measured here beside other tools
	@test/setup/setup native
	@code=0; $(GO) run ./test/bench || code=$$?; $(GO) run ./test/bench/odoodb || code=$$?; exit $$code

TORTURE ?=
torture: ## what odpm promises, under faults: TORTURE=-short for minutes instead of hours
	@test/setup/setup faults
	$(GO) run ./test/torture $(TORTURE)

# Packages that need no server, and measure neither memory nor compression.
RACE = ./host/apply ./host/database ./host/engine ./host/filestore ./host/odoodb/archive ./host/plan ./host/ports \
	./host/process ./host/project/... ./host/report ./host/state ./host/ui ./host/wording ./host/world ./shared/beneath \
	./shared/entrypoint ./shared/handoff ./shared/homedir ./shared/jsonpos ./shared/libpq ./shared/odooconf ./shared/redact \
	./shared/regular ./shared/shell ./shared/snapshot ./shared/utf16text

ENGINES ?=
engines: ## a short suite on Podman, rootful and rootless, and on Docker with userns-remap; root starts it, beside the engine of the tests
	@test/setup/setup engine compose images engines
	test/engines/run $(ENGINES)

race: ## the race detector on the packages that need no server
	@test/setup/setup faults
	CGO_ENABLED=1 test/in-memory $(GO) test -race -p 2 -timeout 10m $(RACE)

dist: ## what is published of this commit, in dist/: archives, packages, the checker's image, SBOM, checksums
	cd release && $(GO) run . -o "$(CURDIR)/dist"

test-dist: ## dist twice, compared; the package on a clean Debian root; completion by TAB in bash, zsh and fish
	@test/setup/setup release engine images
	cd release && $(GO) test ./... -timeout 40m -count 1

clean: ## what make build made
	rm -rf bin dist
