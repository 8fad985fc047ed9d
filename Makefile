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
	$(GO) test -parallel 8 -timeout 20m ./...
	cd test/parity && $(GO) vet ./... && $(GO) test ./...
	cd test/chart && $(GO) vet ./... && $(GO) test -timeout 20m ./...

.PHONY: test-all
test-all: lint race ## what CI runs besides make test

.PHONY: generate
generate: ## write docs/rules, the chart's schema and table, and the transcripts in the READMEs anew
	$(GO) test ./rules -run TestDocs -update
	$(GO) test ./examples/send -run TestTranscripts -update
	cd test/chart && $(GO) test -run TestGenerated -update .

.PHONY: lint
lint: ## golangci-lint, with the directions of imports
	$(LINT) run ./...
	cd test/chart && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...

.PHONY: race
race: ## the concurrent packages under the race detector, which needs a C compiler
	$(GO) test -race ./webhook ./certs ./cmd/podvet

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
