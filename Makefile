# make help lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.stamped=$(VERSION)
GO      ?= go
# One way to compile, that of the image, for all that is built and tested: each package is compiled once.
export CGO_ENABLED := 0
export GOFLAGS     := $(filter-out -trimpath,$(shell $(GO) env GOFLAGS)) -trimpath
# For what go vet has seen: go test would vet it again, with all that is imported, a minute for each module at first.
TEST     = $(GO) test -vet=off
# golangci-lint is pinned in a module of its own, so that it is none of the product's dependencies.
LINT    := $(GO) tool -modfile=test/tools/go.mod golangci-lint
# What stands under test with a go.mod of its own and is both linted and compiled ahead.
MODULES := image chart browser soak prometheus

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/podvet
	@$(GO) build -ldflags '$(LDFLAGS)' -o bin/podvet ./cmd/podvet

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

# PORT is that of the demonstration's API server, and of the page, 0 for any free one.
PORT ?= 0
.PHONY: demo
demo: build ## a real control plane with podvet: create the examples, leave it running to try your own
	@$(GO) build -o bin/demo ./test/demo
	@bin/demo -podvet bin/podvet -port $(PORT)

.PHONY: demo-stop
demo-stop: ## end what make demo left running
	@$(GO) build -o bin/demo ./test/demo
	@bin/demo stop

.PHONY: play
play: ## podvet in the browser: build the page in docs/play and show it on loopback until Ctrl-C
	@$(GO) build -o bin/play-server ./test/play
	@exec bin/play-server -serve -out bin/play -port $(PORT)

.PHONY: control-plane
control-plane: ## build the control plane for tests, once: about 8 minutes on 2 cores
	@$(GO) list -deps ./test/cluster/build >/dev/null 2>&1 || { echo "the Go modules cannot be downloaded: connect to a Go module proxy, or fill the module cache with go mod download, then run this again" >&2; exit 1; }
	@$(GO) run ./test/cluster/build

# What the modules in test/parity share. go vet ./... in one of them leaves it out, as it is a module of its own.
SHARED_PARITY := github.com/podvet/podvet/test/parity/kubelet

.PHONY: test
test: control-plane certmanager-built ## all tests but the chart's and the longest
	$(GO) vet ./...
	$(TEST) -parallel 8 -timeout 30m ./...
	cd test/parity && $(GO) vet ./... $(SHARED_PARITY) && $(TEST) ./...
	cd test/image && $(GO) vet ./... && $(TEST) -count=1 ./... # go sees no change of what it makes the image from
	cd test/prometheus && $(GO) vet ./... && $(TEST) -count=1 -timeout 20m ./... # go sees no change of podvet

.PHONY: certmanager-built
certmanager-built: # two minutes the first time, which no test has to wait for
	@cd test/certmanager && $(GO) build -o /dev/null .

.PHONY: test-chart
test-chart: control-plane ## the chart, with Helm 3 and Helm 4 and a real API server: 8 minutes, the first time 5 more
	cd test/chart && $(GO) vet ./... && $(TEST) -timeout 20m ./...

# For the minute between two edits. test/house comes second: it asks the compiler for what the others have had built.
.PHONY: test-fast
test-fast: ## the tests of podvet's own packages, which need no control plane: under two minutes, the first time six
	$(GO) test -parallel 8 ./cmd/... ./rules/... ./webhook/... ./certs/... ./examples/...
	$(GO) test ./test/house
	@echo 'left out: test/cluster, test/demo, test/e2e, test/parity, test/image, test/prometheus (make test),'
	@echo '          the chart, the linter and the race detector (make test-all), a real node (make test-node),'
	@echo '          a browser (make test-browser), a long time (make soak)'

.PHONY: test-long
test-long: control-plane ## rotations of certificates, replacements of replicas, simulated lives and starts on a node (where root), in full number: an hour
	$(GO) test -count=1 -timeout 40m ./test/e2e/certs -run '^(TestRotationUnderLoad|TestCertManagerUnderLoad|TestRollingReplacement)$$' -long -v
	$(GO) test -count=1 -timeout 0 ./certs -run '^TestYear$$' -years 1000
	@[ "$$(id -u)" != 0 ] || (cd test/node && $(GO) test -count=1 -timeout 40m -run '^TestRecommend$$' -long .)
	for kubelet in . 1.35 1.36; do (cd test/parity/$$kubelet && LIVES=10000 $(GO) test -count=1 -timeout 40m -run '^TestLives$$' .) || exit 1; done

# What a machine needs from Debian for a node and for a browser, in one place. It has to be there already where dpkg is
# not. Ubuntu has no package chromium, and its CI runners have Google Chrome.
PACKAGES := $$(command -v google-chrome >/dev/null && grep -vx chromium test/apt-packages || cat test/apt-packages)
.PHONY: packages
packages:
	@dpkg --status $(PACKAGES) >/dev/null 2>&1 || ! command -v apt-get >/dev/null || \
	  { apt-get update && apt-get install --yes --no-install-recommends $(PACKAGES); }

.PHONY: test-node
test-node: ## the tests on a real node, as root: the first build takes about 3 minutes more than the control plane's
	@[ "$$(id -u)" = 0 ] || { echo "make test-node needs root, for namespaces, mounts and cgroups: sudo make test-node" >&2; exit 1; }
	@$(MAKE) --no-print-directory packages
	@$(GO) run ./test/cluster/build node
	cd test/node && $(GO) vet ./... && $(TEST) -count=1 -p 1 -parallel 50 -timeout 40m ./... # they wait more than they work

.PHONY: test-browser
test-browser: packages ## the HTML report and the page of make play in headless Chromium; where that is missing, as root
	cd test/browser && $(GO) vet ./... && $(TEST) -count=1 -timeout 20m ./... # go sees no change of podvet

.PHONY: picture
picture: packages ## the picture of the HTML report in docs/, by headless Chromium; where that is missing, as root
	cd test/browser && $(GO) test -count=1 -run TestPicture -update .

# How long the soak lasts, and what it makes of the time: the same SEED is the same schedule.
SOAK ?= 2m
SEED ?= 1
.PHONY: soak
soak: control-plane ## two replicas judge pods while everything around them fails, for SOAK=2m; SEED chooses what
	cd test/soak && $(GO) vet ./... && $(TEST) -count=1 -timeout 0 -v -length $(SOAK) -seed $(SEED) .

.PHONY: demo-node
demo-node: ## on a real node, as root: what podvet is for, with it and without it, in about 2 minutes
	@[ "$$(id -u)" = 0 ] || { echo "make demo-node needs root, for namespaces, mounts and cgroups: sudo make demo-node" >&2; exit 1; }
	@$(MAKE) --no-print-directory packages
	@cd test/node && $(GO) run ./demo

.PHONY: test-all
test-all: lint race parity-versions test-chart ## what CI runs besides make test

.PHONY: parity-versions
parity-versions: ## what podvet says of probes against kubelets 1.35 and 1.36: about 3 minutes each, the first time
	cd test/parity/1.35 && $(TEST) -count=1 ./... # go sees no change of podvet; nearly all that go vet would see is make test's
	cd test/parity/1.36 && $(TEST) -count=1 ./...

.PHONY: generate
generate: ## write docs/rules with its pictures, the schemas, the chart's table, the dashboard's picture and the READMEs' transcripts again
	$(GO) test ./rules/policy -run TestSchema -update
	$(GO) test ./cmd/podvet/internal/preview -run TestPictures -update
	$(GO) test ./rules/catalogue -run TestDocs -update
	$(GO) test ./rules/custom -run TestTable -update
	$(GO) test ./examples/send -run TestTranscripts -update
	cd test/chart && $(GO) test -run 'TestGenerated|TestPicture' -update .

.PHONY: lint
lint: ## golangci-lint, with the directions of imports
	$(LINT) run ./...
	@for module in node $(MODULES); do (cd test/$$module && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...) || exit 1; done

# Where known vulnerabilities are listed: also file:///DIR.
VULNDB ?= https://vuln.go.dev
.PHONY: vulnerabilities
vulnerabilities: ## known vulnerabilities in what podvet is made of, if their database can be reached
	@if curl -sSf --max-time 30 -o /dev/null $(VULNDB)/index/db.json; \
	then $(GO) tool -modfile=test/tools/go.mod govulncheck -db $(VULNDB) ./cmd/podvet; \
	else echo "vulnerabilities were not looked for: $(VULNDB) cannot be reached; name another database with VULNDB=" >&2; fi

.PHONY: sbom
sbom: ## what BINARY is made of, as CycloneDX in OUT
	@$(GO) tool -modfile=test/tools/go.mod cyclonedx-gomod bin -json -version $(VERSION) -output '$(OUT)' '$(BINARY)'

# Those in which podvet does more than one thing at a time; the rest takes the detector six minutes and shows it nothing.
# Nor do simulations, which take it as long.
RACING_SCRIPTS := bad-input|certs|check|cluster|doctor|fix|kustomize|others|policy-diff|serve|streams|summary
# More flags for the detector's tests, see race-built.
ONLY =
.PHONY: race
race: export CGO_ENABLED := 1
race: ## the concurrent packages under the race detector, which needs a C compiler
	$(TEST) -race -parallel 8 -skip '^TestAllocations$$' $(ONLY) ./webhook/... ./certs/... # it allocates by itself
	$(TEST) -race -parallel 8 -skip '^(TestScripts|TestPlay.*|TestAllocations)$$' $(ONLY) $$($(GO) list ./cmd/... | grep -Ev '/(picture|play|recommend)$$')
	$(TEST) -race -parallel 8 -run '^TestScripts$$/^($(RACING_SCRIPTS))$$' $(ONLY) ./cmd/podvet

.PHONY: race-built
race-built: # what takes race most of its time at first: it compiles the tests and runs none
	@$(MAKE) --no-print-directory race ONLY='-run ^NONE$$$$'

.PHONY: tests-built
tests-built: certmanager-built # what takes most of the time of the other tests at first: it vets and compiles, and runs nothing
	@for module in .. parity $(MODULES); do (cd test/$$module && $(GO) vet ./... && $(GO) list -test -export ./... >/dev/null) || exit 1; done

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## search with each fuzz test; their seeds are part of make test
	$(GO) test ./rules/policy -run '^$$' -fuzz '^FuzzLoad$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook -run '^$$' -fuzz '^FuzzReview$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook -run '^$$' -fuzz '^FuzzOnePass$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./webhook/budget -run '^$$' -fuzz '^FuzzWeigh$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./cmd/podvet/internal/manifest -run '^$$' -fuzz '^FuzzParse$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./cmd/podvet/internal/manifest -run '^$$' -fuzz '^FuzzRepair$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./rules/catalogue -run '^$$' -fuzz '^FuzzVet$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./rules/catalogue/shell -run '^$$' -fuzz '^FuzzReadScript$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x

.PHONY: bench
bench: ## benchmarks of a review and its stages, and of check on 10,000 manifests, with allocations
	$(GO) test ./webhook ./cmd/podvet -run '^$$' -bench . -benchmem

# What is compared, with which revision, and how often each has its turn.
BASE   ?= HEAD
BENCH  ?= .
ROUNDS ?= 6
RUN_BENCHMARKS = $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./webhook ./rules/policy ./rules/catalogue ./cmd/podvet
.PHONY: bench-compare
bench-compare: ## the benchmarks of BASE=revision and of this tree in turn, and whether they differ, by benchstat
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && mkdir $$folder/base && \
	git archive $(BASE) | tar -x -C $$folder/base && for round in $$(seq $(ROUNDS)); do \
	  (cd $$folder/base && $(RUN_BENCHMARKS)) >> $$folder/base.txt && \
	  $(RUN_BENCHMARKS) >> $$folder/now.txt || { cat $$folder/*.txt; exit 1; }; done && \
	$(GO) tool -modfile=test/tools/go.mod benchstat base=$$folder/base.txt now=$$folder/now.txt

.PHONY: bench-webhook
bench-webhook: build ## podvet beside handlers that do less, or nothing: requests per second, in 15 minutes on an idle machine
	$(GO) build -o bin/bench ./test/bench
	bin/bench webhook -podvet bin/podvet

.PHONY: bench-api
bench-api: build control-plane ## what podvet adds to the creation of a pod, beside admission policies and idle webhooks: 15 minutes
	$(GO) build -o bin/bench ./test/bench
	bin/bench api -podvet bin/podvet

.PHONY: bench-files
bench-files: build ## check and fix --diff on 10,000 manifests, as files, as one and through a pipe: a minute
	$(GO) build -o bin/bench ./test/bench
	bin/bench files -podvet bin/podvet

.PHONY: clean
clean: ## remove what make build and make run left
	rm -rf bin .podvet
