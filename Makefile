# Two commands: `make run` starts the server, `make test` proves it. Everything they need they install from Debian and
# the package registries through apt-get, cargo, pip and npm, say so, and skip what is there.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

RUN_DIR     ?= .run
ANSWER      ?= 1
VORZIMMER   := target/release/vorzimmer

# Where `make bench` writes, and what else it is told.
OUT         ?= bench
BENCH       ?=

# Fuzzing with coverage, on stable Rust: flags of the compiler that other builds do not want.
DOORS       ?= sip auth sdp rtp rtcp srtp stun dtls
SECONDS     ?= 60
SEED        ?= 0
COVERAGE    := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
               -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
HOST        := $(shell rustc -vV | sed -n 's/^host: //p')

# To build: a C compiler and cmake (bundled libopus, SQLite), OpenSSL (DTLS). To test: the clients that people really use.
BUILD_DEBS  := gcc g++ cmake make pkg-config libssl-dev
DEMO_DEBS   := baresip-core sox espeak-ng libsox-fmt-base
TEST_DEBS   := $(DEMO_DEBS) sip-tester sipvicious kamailio kamailio-tls-modules kamailio-outbound-modules faketime sqlite3 postgresql e2fsprogs iproute2 util-linux python3 python3-venv openssl chromium coturn

.PHONY: help
help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# $(call debs,PACKAGES): installs those of the packages that are missing.
define debs
	@missing=(); for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing+=($$p); done; \
	if (( $${#missing[@]} )); then \
	  echo "installing from Debian: $${missing[*]}"; \
	  sudo=; [[ $$(id -u) == 0 ]] || sudo=sudo; \
	  $$sudo apt-get update -q; \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$${missing[@]}"; \
	fi
endef

# Softphones from PyPI, in a virtual environment of their own.
PHONES      := baresip-python==0.5.2a3 pjsua2-python==2.15.1.post1
PHONES_VENV := tests/interop/.venv

# To measure: SIPp for signalling, and the peer to stand beside.
BENCH_DEBS  := sip-tester kamailio rtpengine-daemon util-linux

.PHONY: build-deps bench-deps demo-deps browser-deps test-deps
build-deps:
	$(call debs,$(BUILD_DEBS))
bench-deps: build-deps
	$(call debs,$(BENCH_DEBS))
demo-deps: build-deps
	$(call debs,$(DEMO_DEBS))
# The browser telephones of tests/browser/package.json, as npm has them; Debian's node and npm where there are none.
browser-deps: tests/browser/built/jssip.js
tests/browser/built/jssip.js: tests/browser/package.json tests/browser/package-lock.json
	@command -v npm >/dev/null || { echo "installing from Debian: nodejs npm"; sudo=; [[ $$(id -u) == 0 ]] || sudo=sudo; \
	  $$sudo apt-get update -q; $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm; }
	@echo "installing from npm: jssip, sip.js and what bundles them"
	cd tests/browser && npm ci --no-audit --no-fund --silent && npm run build --silent
	@touch $@
test-deps: build-deps browser-deps
	$(call debs,$(TEST_DEBS))
	@test -f $(PHONES_VENV)/made || { echo "installing from PyPI: $(PHONES)"; \
	  python3 -m venv $(PHONES_VENV) && $(PHONES_VENV)/bin/pip install -q $(PHONES) && touch $(PHONES_VENV)/made; }
	@cargo deny --version >/dev/null 2>&1 || { echo "installing from crates.io: cargo-deny"; cargo install --locked cargo-deny; }

.PHONY: run
run: build-deps ## Build and start the server on loopback with an example directory
	cargo build --release --bin vorzimmer
	@VORZIMMER=$(VORZIMMER) RUN_DIR=$(RUN_DIR) config/example/run

.PHONY: demo
demo: demo-deps ## Place a forwarded call through the running server (ANSWER=1 or ANSWER=2) and show what it left behind
	cargo build --release --bin vorzimmer --bin demo
	@VORZIMMER=$(VORZIMMER) target/release/demo --run-dir $(RUN_DIR) --answer $(ANSWER)

.PHONY: interop
interop: test-deps ## Every client against everything that people do with it; writes the table in tests/interop/README.md
	cargo build --locked --workspace --bins
	INTEROP_WRITE=1 cargo test --locked -p vorzimmer-tests --test interop -- --nocapture

.PHONY: bench
bench: bench-deps ## What a call costs beside the floor: a table, OUT=DIR/results.json and plot.svg (BENCH="--calls 200": see tests/load)
	cargo build --locked --release --workspace --bin vorzimmer --bin load
	$${CARGO_TARGET_DIR:-target}/release/load run --out $(OUT) $(BENCH)

.PHONY: test
test: test-deps ## Everything: format, lints, licences, unit, property and model tests, real clients, SQLite and PostgreSQL, a minute of fuzzing each
	cargo fmt --all --check
	@cargo metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null || { \
	  echo "tests/fuzz/Cargo.lock is behind: run cargo check --manifest-path tests/fuzz/Cargo.toml and commit it"; exit 1; }
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --offline check licenses bans sources || cargo deny check licenses bans sources
	python3 config/prompts/make.py --check
	cargo build --locked --workspace --bins
	cargo test --workspace --locked --no-fail-fast
	$(MAKE) fuzz SECONDS=60 SEED=1

.PHONY: fuzz
fuzz: build-deps ## Fuzz every parser for SECONDS=60 each, two at a time (DOORS="sip sdp": only these)
	RUSTFLAGS="$(COVERAGE)" cargo build --release --locked --manifest-path tests/fuzz/Cargo.toml --target $(HOST) \
	  --target-dir $${CARGO_TARGET_DIR:-target}/fuzz
	@printf '%s\n' $(DOORS) | SEED=$(SEED) xargs -P2 -I{} tests/fuzz/run {} $(SECONDS)
