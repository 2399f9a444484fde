# Every target does its own set-up: Bun at the pinned version from npm where that version is not installed, dependencies as
# locked.
BUN_VERSION := 1.4.5
LOCAL_BIN := .bun/node_modules/.bin
LOCAL_BUN := $(LOCAL_BIN)/bun
HAS_BUN := $(shell [ "`bun --version 2>/dev/null`" = "$(BUN_VERSION)" ] && echo yes)
# Names without a path, or relative ones: make takes a space in a path for the end of it.
BUN := $(if $(HAS_BUN),bun,$(LOCAL_BUN))
ifndef HAS_BUN
export PATH := $(CURDIR)/$(LOCAL_BIN):$(PATH)
endif

.PHONY: dev test chaos build lint format bench clean setup

setup: node_modules/.installed

$(LOCAL_BUN):
	@echo "bun $(BUN_VERSION) is not installed: taking it from npm into .bun/"
	@mkdir -p .bun
	@# npm versions differ in whether they run a package's install script, so it is run by hand.
	@npm install --prefix .bun --no-save --no-audit --no-fund --loglevel=error --ignore-scripts bun@$(BUN_VERSION)
	@cd .bun/node_modules/bun && node install.js
	@$(LOCAL_BUN) --version >/dev/null

node_modules/.installed: package.json bun.lock $(if $(HAS_BUN),,$(LOCAL_BUN))
	@$(BUN) install --frozen-lockfile
	@touch $@

dev: setup
	@$(BUN) src/main.ts serve --dev

test: setup
	@"$(BUN)" test/run.ts

# Ten minutes of everything that can go wrong, at 2,000 requests a second. DURATION_S, RATE and SEED change it.
chaos: setup
	@"$(BUN)" test/chaos/main.ts

build: setup
	@mkdir -p dist
	$(BUN) build --compile --splitting --minify --bytecode --format=esm --sourcemap=none \
	  --no-compile-autoload-bunfig --no-compile-autoload-dotenv \
	  src/main.ts workers/proxy.ts workers/metrics.ts workers/storage.ts workers/preparer.ts src/simulator/thread.ts --outfile dist/tokenrouter

lint: setup
	@node_modules/.bin/oxfmt --check
	@node_modules/.bin/oxlint --type-aware --deny-warnings
	@node_modules/.bin/tsc --noEmit
	@$(BUN) node_modules/knip/bin/knip.js

format: setup
	@node_modules/.bin/oxfmt

# SCENARIO=name runs one, CHECK=1 compares with the numbers to reach.
bench: build
	@$(BUN) bench/main.ts $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(CHECK),--check)

clean:
	rm -rf dist node_modules .bun
