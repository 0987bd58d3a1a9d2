# What is assumed: a Rust toolchain, Python 3.10 or newer with venv, bash and make. All else
# comes from the package registries into .venv, once: each step leaves a stamp, and is taken
# again only when something that it depends on is newer.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=

UV_VERSION := 0.13.9
CARGO_DENY_VERSION := 0.20.2
CARGO_MACHETE_VERSION := 0.9.2

VENV := .venv
STAMPS := $(VENV)/stamps
TOOLS := $(VENV)/cargo-tools

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(VIRTUAL_ENV)/bin:$(CURDIR)/$(TOOLS)/bin:$(PATH)
export UV_NO_PROGRESS := 1
export RUSTDOCFLAGS := -D warnings

# What the wheel is made of.
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates python/dyno -type f \
	-not -path '*/__pycache__/*' -not -path 'crates/*/tests/*' -not -name '*.pending-snap')

.PHONY: help setup run test check fmt clippy doc deny unused ruff mypy tidy pins clean FORCE

help: ## Say what there is to make.
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMPS)/dyno ## Make .venv: Dynamo, pytest, the dyno wheel and the checks' tools.

run: setup ## Run the Dynamo suite with dyno. ARGS="-k chat -n 4" goes to `dyno test`.
	dyno test tests $(ARGS)

test: setup ## Run every test: Rust, Python, and the suite.
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

pins: $(STAMPS)/uv ## Pin requirements/dev.in anew into requirements/dev.txt.
	uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate \
		--custom-compile-command 'make pins' requirements/dev.in -o requirements/dev.txt

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

# Unoptimized: they run for a second and compile for minutes.
$(STAMPS)/cargo-tools: Makefile
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(TOOLS) \
		--target-dir $(TOOLS)/build cargo-machete@$(CARGO_MACHETE_VERSION)
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(TOOLS) \
		--target-dir $(TOOLS)/build --no-default-features cargo-deny@$(CARGO_DENY_VERSION)
	rm -rf $(TOOLS)/build
	@mkdir -p $(@D) && touch $@
