# make help lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.stamped=$(VERSION)
GO      ?= go
# golangci-lint is pinned in a module of its own, so that it is none of the product's dependencies.
LINT    := $(GO) tool -modfile=test/tools/go.mod golangci-lint

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/podvet
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/podvet ./cmd/podvet

# The image is the same, byte for byte, for the same VERSION, REVISION, CREATED, GOARCH and version of Go.
IMAGE    ?= ghcr.io/podvet/podvet:$(VERSION)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
CREATED  ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
GOARCH   ?= $(shell $(GO) env GOARCH)
OUT      ?= $(CURDIR)/bin/podvet-linux-$(GOARCH).tar
BINARY   ?= $(CURDIR)/bin/linux-$(GOARCH)/podvet
.PHONY: image
image: ## podvet's image as a file for docker load and registries, by docker where that is; GOARCH=arm64 for that
	@$(MAKE) --no-print-directory $$(docker info >/dev/null 2>&1 && echo image-docker || echo image-archive)

.PHONY: image-docker
image-docker:
	@mkdir -p '$(dir $(OUT))'
	docker build --file cmd/podvet/Dockerfile --platform linux/$(GOARCH) --tag $(IMAGE) \
	  --build-arg GO_VERSION=$$(sed -n 's/^toolchain go//p' go.mod) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	  --build-arg SOURCE_DATE_EPOCH=$(CREATED) --build-arg CREATED=$$(date -u -d @$(CREATED) +%Y-%m-%dT%H:%M:%SZ) .
	docker save --output '$(OUT)' $(IMAGE)
	@echo '$(OUT): $(IMAGE)'

.PHONY: image-archive
image-archive: # without docker: the same, from a binary that is built here
	@mkdir -p '$(dir $(OUT))'
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X main.stamped=$(VERSION)' -o '$(BINARY)' ./cmd/podvet
	@cd test/image && GOARCH= $(GO) run ./build -binary '$(BINARY)' -arch $(GOARCH) -name $(IMAGE) \
	  -version $(VERSION) -revision '$(REVISION)' -created $(CREATED) -out '$(OUT)'
	@echo '$(OUT): $(IMAGE)'

.PHONY: run
run: build ## serve without a cluster, send the pods in examples/, go on serving until Ctrl-C
	@$(GO) build -o bin/send ./examples/send
	@exec bin/send -start bin/podvet examples/*.yaml

# PORT is that of the demonstration's API server, 0 for any free one.
PORT ?= 0
.PHONY: demo
demo: build ## a real control plane with podvet: create the examples, leave it running to try your own
	@$(GO) build -o bin/demo ./test/demo
	@bin/demo -podvet bin/podvet -port $(PORT)

.PHONY: demo-stop
demo-stop: ## end what make demo left running
	@$(GO) build -o bin/demo ./test/demo
	@bin/demo stop

.PHONY: control-plane
control-plane: ## build the control plane for tests, once: some 8 minutes on 2 cores
	@$(GO) list -deps ./test/cluster/build >/dev/null 2>&1 || { echo "the Go modules cannot be downloaded: connect to a Go module proxy, or fill the module cache with go mod download, then run this again" >&2; exit 1; }
	@$(GO) run ./test/cluster/build

.PHONY: test
test: control-plane ## all tests but the longest
	$(GO) vet ./...
	@cd test/certmanager && $(GO) build -o /dev/null . # two minutes the first time, which no test has to wait for
	$(GO) test -parallel 8 -timeout 20m ./...
	cd test/parity && $(GO) vet ./... && $(GO) test ./...
	cd test/image && $(GO) vet ./... && $(GO) test -count=1 ./... # go sees no change of what it makes the image from
	cd test/chart && $(GO) vet ./... && $(GO) test -timeout 20m ./...

.PHONY: test-long
test-long: control-plane ## the rotations and replacements of certificates and replicas in full number: some 15 minutes
	$(GO) test -count=1 -timeout 40m ./test/e2e -run '^(TestRotationUnderLoad|TestCertManagerUnderLoad|TestRollingReplacement)$$' -long -v

# What a machine needs from Debian for a node, in one place. It has to be there already where dpkg is not.
.PHONY: node-packages
node-packages:
	@dpkg --status $$(cat test/node/apt-packages) >/dev/null 2>&1 || ! command -v apt-get >/dev/null || \
	  { apt-get update && apt-get install --yes --no-install-recommends $$(cat test/node/apt-packages); }

.PHONY: test-node
test-node: ## the tests on a real node, as root: the first build takes some 3 minutes more than the control plane's
	@[ "$$(id -u)" = 0 ] || { echo "make test-node needs root, for namespaces, mounts and cgroups: sudo make test-node" >&2; exit 1; }
	@$(MAKE) --no-print-directory node-packages
	@$(GO) run ./test/cluster/build node
	cd test/node && $(GO) vet ./... && $(GO) test -count=1 -p 1 -parallel 16 -timeout 20m ./... # they wait more than they work

.PHONY: demo-node
demo-node: ## on a real node, as root: what podvet is for, with it and without it, in some 2 minutes
	@[ "$$(id -u)" = 0 ] || { echo "make demo-node needs root, for namespaces, mounts and cgroups: sudo make demo-node" >&2; exit 1; }
	@$(MAKE) --no-print-directory node-packages
	@cd test/node && $(GO) run ./demo

.PHONY: test-all
test-all: lint race ## what CI runs besides make test

.PHONY: generate
generate: ## write docs/rules, the schemas, the chart's table and the transcripts in the READMEs anew
	$(GO) test ./rules/policy -run TestSchema -update
	$(GO) test ./rules -run TestDocs -update
	$(GO) test ./examples/send -run TestTranscripts -update
	cd test/chart && $(GO) test -run TestGenerated -update .

.PHONY: lint
lint: ## golangci-lint, with the directions of imports
	$(LINT) run ./...
	cd test/image && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...
	cd test/node && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...
	cd test/chart && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...

.PHONY: race
race: ## the concurrent packages under the race detector, which needs a C compiler
	$(GO) test -race -parallel 16 ./webhook ./certs ./cmd/podvet

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## search with each fuzz test; their seeds are part of make test
	$(GO) test ./rules/policy -run '^$$' -fuzz '^FuzzLoad$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook -run '^$$' -fuzz '^FuzzReview$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./cmd/podvet/internal/manifest -run '^$$' -fuzz '^FuzzParse$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./cmd/podvet/internal/manifest -run '^$$' -fuzz '^FuzzRepair$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x

.PHONY: bench
bench: ## benchmarks of a review and its stages, and of check on 10,000 manifests, with allocations
	$(GO) test ./webhook ./cmd/podvet -run '^$$' -bench . -benchmem

.PHONY: clean
clean: ## remove what make build and make run left
	rm -rf bin .podvet
