# OKTalk. `make help` lists what there is.

GO ?= go
BENCHTIME ?= 1s

# Programs of this module are static and carry no paths of the machine that built them.
build_go = CGO_ENABLED=0 $(GO) build -trimpath

# Each tool is a module of its own in tools/, which pins its version: tools do not choose each other's dependencies, nor ours. So is
# bench, for the engines that ours is compared with.
modules = . bench $(patsubst %/go.mod,%,$(wildcard tools/*/go.mod))

.DEFAULT_GOAL := help
.PHONY: help setup run demo build test test-fast lint fmt bench bench-go chaos speech-report calibrate diagnosis stress migrate verify clean
.DELETE_ON_ERROR:

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing on this machine (PostgreSQL, Redis, speech tools)
	@scripts/setup.sh

run: export DEV_REPLICAS := $(REPLICAS)
run: setup build ## run everything on this machine until Ctrl-C (API_ADDR=127.0.0.1:8081 REPLICAS=api=2,worker-tts=4)
	@exec bin/oktalk dev $${DEV_REPLICAS:+--replicas "$$DEV_REPLICAS"}

# The values reach the shell as variables, and make does not expand them, so that quotes and dollars in them are harmless.
demo: export DEMO_AUDIO := $(value AUDIO)
demo: export DEMO_TEXT := $(value TEXT)
demo: bin/oktalk ## post a recording to a running stack and follow it (AUDIO=me.wav TEXT="I like apples")
	@bin/oktalk demo $${DEMO_AUDIO:+--audio "$$DEMO_AUDIO"} $${DEMO_TEXT:+--text "$$DEMO_TEXT"}

build: bin/versitygw ## build all programs into bin/
	@mkdir -p bin
	@[ -x bin/oktalk ] || echo "building the programs: about a minute, this once"
	@$(build_go) -o bin/ ./cmd/...

.PHONY: bin/oktalk # always: it holds the migrations, and building what has not changed takes no time
bin/oktalk:
	@mkdir -p bin
	@$(build_go) -o bin/ ./cmd/oktalk

test: setup build ## run all tests, with their own servers and the race detector
	@CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 9m ./...

test-fast: ## run the tests that need no servers
	@$(GO) test -short ./...

lint: bin/golangci-lint ## check the code: style, mistakes, who may import whom
	@bin/golangci-lint run
	@cd bench && ../bin/golangci-lint run

fmt: bin/golangci-lint ## format the code
	@bin/golangci-lint fmt
	@cd bench && ../bin/golangci-lint fmt

bench: setup bin/versitygw ## compare the stage engine with others, 6 minutes; writes docs/benchmarks.md (BENCHFLAGS="-runs 5")
	@cd bench && $(GO) run . -out ../docs/benchmarks.md $(BENCHFLAGS)

bench-go: ## run the packages' own benchmarks (BENCHTIME=1s)
	@$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) ./internal/...

chaos: setup build ## break everything for FOR=9m while evaluations run (SEED=n repeats a run's faults; logs in dist/chaos)
	@mkdir -p dist/chaos
	@CGO_ENABLED=0 $(GO) test -count 1 -v -timeout 0 -artifacts -outputdir $(CURDIR)/dist/chaos ./internal/chaos -for $(or $(FOR),9m) -seed $(or $(SEED),0)

speech-report: bin/oktalk ## measure the assessor on generated recordings, 5 minutes at first; writes docs/speech-report.md (SEED=1)
	@bin/oktalk speech-report --seed $(or $(SEED),1)

calibrate: bin/oktalk ## fit the phones' scores to generated recordings (SEED=1); LABELLED=DIR for recordings that teachers labelled
	@bin/oktalk calibrate --seed $(or $(SEED),1) $(if $(LABELLED),--labelled "$(LABELLED)")

diagnosis: bin/oktalk ## fit again which sounds are heard for others, 10 minutes (SEED=1); build afterwards
	@bin/oktalk calibrate --diagnosis internal/assess/offline/diagnosis.json --seed $(or $(SEED),1)

stress: ## find again which syllables of the dictionary's words bear stress, 6 minutes; needs gcc, flite and espeak-ng; build afterwards
	@mkdir -p dist
	@cd tools/stress && CGO_ENABLED=1 $(GO) run . /usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict >../../dist/stress.gz
	@mv dist/stress.gz internal/assess/offline/lexicon/stress.gz

migrate: bin/oktalk ## bring the database of DATABASE_URL up to date
	@bin/oktalk migrate up

verify: lint ## fail when something generated is stale or does not build for macOS
	@for m in $(modules); do (cd $$m && $(GO) mod tidy -diff) || { echo "go.mod in $$m is stale: run 'go mod tidy' there"; exit 1; }; done
	@for m in . bench; do (cd $$m && GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...) || exit 1; done

clean: ## remove the built programs; tools and data stay (it prints where the data of make run are)
	@[ ! -x bin/oktalk ] || bin/oktalk dev --where | sed "s/^/data of make run stay in /"
	@rm -f $(patsubst cmd/%,bin/%,$(wildcard cmd/*))

# Tools are built when they are missing or their go.mod changed. That takes about two minutes each, once.
bin/versitygw: tool = github.com/versity/versitygw/cmd/versitygw
bin/golangci-lint: tool = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
bin/versitygw bin/golangci-lint: bin/%: tools/%/go.mod tools/%/go.sum
	@echo "building $@: about 2 minutes, this once"
	@mkdir -p bin
	@cd tools/$* && $(build_go) -ldflags='-s -w' -o ../../$@ $(tool)
	@touch $@
