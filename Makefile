# Everything runs on a fresh machine with only Go and make. `make help` lists the targets.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= development
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)

.PHONY: help build demo test bench torture images kill check check-units fuzz screenshots docs packages reproduce try-packages tidy

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./qualifyd
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.version=$(VERSION) -X main.revision=$(COMMIT)' -o qualifyd ./cmd/qualifyd

demo: ## watch two weeks of sales qualify referrals, in seconds
	@$(GO) run ./cmd/qualifyd demo

# The race detector needs cgo, and so a C compiler.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

test: ## all tests, shuffled, with the race detector where a C compiler exists
	@test -n "$(RACE)" || echo "no C compiler: the tests run without the race detector"
	$(GO) test $(RACE) -timeout 20m -shuffle=on ./...

torture: ## random histories of the whole system until one fails, or Ctrl-C (FROM=the first seed)
	$(GO) test -count=1 -v -timeout 0 -run '^TestTorture$$' ./sync/simulation -torture -from $(or $(FROM),1000)

bench: ## what it costs in calls, delay, time and memory, each figure beside its limit (PART=a regular expression of Go's -run)
	$(GO) -C sync/bench test -count=1 -timeout 0 -run '$(or $(PART),.)' -full

images: ## what power cuts may leave of the store's commits (IMAGES=1000000, FROM=the first seed)
	$(GO) test -count=1 -v -timeout 0 -run '^TestPowerCuts$$' ./sync/simulation -images $(or $(IMAGES),1000000) -from $(or $(FROM),1000)

kill: build ## kill -9 at random moments (ROUNDS=1000, SEED=1), and each call to the disk failing in turn
	$(GO) test -count=1 -v -timeout 0 -run '^(TestKilledAgainAndAgain|TestADiskThatFailsAtAnyCallLosesNothing)$$' ./cmd/qualifyd \
		-rounds $(or $(ROUNDS),1000) -seed $(or $(SEED),1) -program "$(CURDIR)/qualifyd" -each-call

check: check-units ## what CI refuses: formatting, vet, the linter, an untidy go.mod, a fault of the unit files
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted (gofmt -w):"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	$(GO) -C packaging/tools vet .
	$(GO) -C packaging/tools test .

check-units: ## the unit files: no fault in them, and as confined as we say (exposure at most 1.2)
	packaging/check-units

fuzz: ## every fuzz target for a short while (FUZZTIME=30s each)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for target in $$(grep -o '^func Fuzz[A-Za-z0-9_]*' $$file | cut -c6-); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(FUZZTIME),30s) ./$$(dirname $$file) || exit 1; \
		done; \
	done

screenshots: ## the pictures of the page in docs/ (PAGE=the address that a demo on a terminal prints)
	@test -n "$(PAGE)" || { echo "start \`make demo' on another terminal, and say PAGE=http://127.0.0.1:..., the address that it prints"; exit 1; }
	$(GO) test -count=1 -run '^TestScreenshots$$' ./cmd/console -page "$(PAGE)" -screenshots "$(CURDIR)/docs"

docs: ## what is made from the code: the schema, the references, and what commands print in docs/
	$(GO) test -count=1 ./cmd/config ./cmd/qualifyd -run '^(TestReference|TestDocs$$)' -update

packages: ## deb and rpm into dist/, for amd64 and arm64 (VERSION=1.2.3, PACKAGER='Name <address>')
	GO=$(GO) VERSION=$(VERSION) COMMIT=$(COMMIT) packaging/build

reproduce: ## build the packages twice, from two folders and with nothing kept in between, and compare
	GO=$(GO) packaging/reproduce

try-packages: ## install, upgrade, remove and purge them with a real systemd, on a view of this machine (root only)
	GO=$(GO) VERSION=1.0.0 packaging/build dist/old >/dev/null
	GO=$(GO) VERSION=1.1.0 packaging/build dist/new >/dev/null
	packaging/try dist/old dist/new

tidy: ## format, and tidy go.mod
	gofmt -w .
	$(GO) mod tidy
