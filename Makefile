# deed: what can be done here. "make" alone lists it.

ADDR ?= 127.0.0.1:8080
DATA ?= ./data
SEED ?= 200

# So many power cuts make powercut makes.
CUTS ?= 10000

# The versions of PostgreSQL that make postgres-versions runs on.
VERSIONS ?= 14 18

# Where make browser puts pictures of the pages.
PICTURES ?= screenshots

# One package may take this long. SQLite in pure Go is some 20 times slower under the race detector.
TIMEOUT ?= 15m

# The modules that make check looks at, joined by go.work. tools and bench/drivers are outside of it.
MODULES  := . telemetry postgres cmd/deed examples/shop
PACKAGES := $(patsubst %,./%/...,$(MODULES))

SYSTEMS := linux darwin windows
LINTER  := .cache/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help run test arch lint fmt vet check postgres mixed-pg standby-pg postgres-versions browser axe feed crash chaos-pg powercut bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the shop on ADDR with its data in DATA, and SEED orders in an empty store
	@exec scripts/run "$(ADDR)" "$(DATA)" "$(SEED)"

test: ## run all tests with the race detector
	@scripts/need-gcc
	@scripts/need-chromium
	@scripts/need-postgres
	CGO_ENABLED=1 go test -race -shuffle=on -timeout $(TIMEOUT) $(PACKAGES)

arch: ## check who imports whom, and the other house rules
	go test -count=1 -run '^TestArch' .

lint: $(LINTER) ## run the linters
	@for module in $(MODULES); do \
		echo "lint $$module"; \
		(cd $$module && $(CURDIR)/$(LINTER) run ./...) || exit 1; \
	done

fmt: $(LINTER) ## format the code as the linters want it
	@for module in $(MODULES); do (cd $$module && $(CURDIR)/$(LINTER) fmt ./...) || exit 1; done

$(LINTER): tools/go.mod tools/go.sum
	@echo "building the linters (about a minute, once)"
	@GOWORK=off go -C tools build -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $(LINTER)

vet: ## vet for Linux, macOS and Windows
	@for system in $(SYSTEMS); do \
		echo "go vet for $$system"; \
		CGO_ENABLED=0 GOOS=$$system go vet $(PACKAGES) || exit 1; \
	done

check: ## all that a change must pass: lint, arch, vet, test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory arch
	@$(MAKE) --no-print-directory vet
	@$(MAKE) --no-print-directory test

postgres: ## run the tests of the PostgreSQL engine, on a server of their own
	@scripts/need-gcc
	@scripts/need-postgres
	CGO_ENABLED=1 go test -race -shuffle=on -timeout $(TIMEOUT) ./postgres/...

mixed-pg: ## have processes append to PostgreSQL side by side for a minute, and count what is lost
	@scripts/need-postgres
	go test ./postgres -run '^TestMixed$$' -count=1 -v -mixed 60s -timeout $(TIMEOUT)

standby-pg: ## have twenty processes append to PostgreSQL with a standby that answers 5 ms late, and print what it costs
	@scripts/need-postgres
	go test ./postgres -run '^TestStandbyLoad$$' -count=1 -v -standby 20s -timeout $(TIMEOUT)

postgres-versions: ## run the tests of the PostgreSQL engine on VERSIONS, fetched with Maven
	@scripts/need-gcc
	@scripts/need-postgres
	@for version in $(VERSIONS); do \
		programs=$$(scripts/need-postgres-version $$version) || exit 1; echo "PostgreSQL $$version"; \
		DEED_TEST_POSTGRES= DEED_TEST_POSTGRES_BIN=$$programs CGO_ENABLED=1 go test -race -count=1 -timeout $(TIMEOUT) ./postgres/... || exit 1; \
	done

browser: ## walk through all pages in Chromium, and write pictures of them into PICTURES
	@scripts/need-chromium
	go test ./examples/shop/browser -count=1 -v -timeout $(TIMEOUT) -long -screenshots $(abspath $(PICTURES))

axe: ## ask axe-core how accessible the pages are, and print what it finds
	@scripts/need-chromium
	@mkdir -p .cache/axe && cp examples/shop/browser/axe/*.json .cache/axe
	npm ci --prefix .cache/axe --ignore-scripts --no-audit --no-fund
	go test ./examples/shop/browser -count=1 -v -timeout $(TIMEOUT) -axe $(CURDIR)/.cache/axe/node_modules/axe-core/axe.min.js

feed: ## let a hundred follow the changes at once, and print how far behind they are
	go test ./gateway -run '^TestACrowdFollowsChanges$$' -count=1 -v -feed 2000 -feed-rate 100

crash: ## kill the shop under load again and again, and count what is lost
	go run ./examples/shop/crash

chaos-pg: ## kill, stop and cut off four shops and their PostgreSQL server again and again, and count what is lost
	@scripts/need-postgres
	go run ./examples/shop/chaos

powercut: ## cut the power ten thousand times, and count what is lost
	go test ./sqlite -run '^TestPowerCut(FindsLossesWithoutFlushes)?$$' -count=1 -v -cuts $(CUTS)

bench: ## measure the engine beside bare loops, in one run
	go run -C bench .

clean: ## remove what was built; data stays
	rm -rf .cache
