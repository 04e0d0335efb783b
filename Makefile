# EdgeAtlas: every job of a checkout. `make help` lists them.
#
# What is set up lives in .venv (Python packages) and in the cache folder (real parts of the tests, download caches);
# nothing else on the machine is touched, but for Debian's chromium package when `make test` runs as root without one.
# Each set-up step leaves a stamp named by what it was made from (the lock, this folder, the Python), so that a second
# run starts at once and a changed lock is installed again.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/edgeatlas
export PIP_CACHE_DIR ?= $(CACHE)/pip
export UV_CACHE_DIR ?= $(CACHE)/uv
export NPM_CONFIG_CACHE ?= $(CACHE)/npm
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Python keeps what it compiled of each module, as it does when nothing is said: some container images say not to, and then
# every process that is started, each command of a test as well, compiles all packages anew before it does anything.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps

# The first Python that is new enough and can make environments. PYTHON=… on the command line overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

# A key is a checksum of what a step depends on.
key = $(shell { cat $(1) 2>/dev/null; echo '$(2)'; } | cksum | tr -s ' \t' '--' | tr -d '\n')
HERE := $(CURDIR) $(PYTHON)
VENV_STAMP := $(STAMPS)/venv-$(call key,requirements/uv.txt,$(HERE))
DEV_STAMP := $(STAMPS)/dev-$(call key,requirements/dev.txt,$(HERE))
RUNTIME_STAMP := $(STAMPS)/runtime-$(call key,requirements/runtime.txt requirements/build.txt,$(HERE))
# hatch_build.py is not part of the key: the playground is brought up to date by the `ui` step of each run.
PROJECT_KEY := $(call key,pyproject.toml,$(HERE))

# `make serve` needs the runtime packages only, but leaves a development environment as it is.
DEVELOPING := $(wildcard $(STAMPS)/dev-*) $(filter test chaos lint format bench docs parts,$(MAKECMDGOALS))
ENVIRONMENT := $(if $(strip $(DEVELOPING)),$(DEV_STAMP),$(RUNTIME_STAMP))

say = printf '\n==> %s\n' "$(1)"
or_fail = || { printf '\nmake: the step "%s" failed. %s\n' "$(1)" "$(2)" >&2; exit 1; }
ONLINE := Is the package index reachable from here? A mirror: PIP_INDEX_URL and UV_DEFAULT_INDEX; own certificates: SSL_CERT_FILE.

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: serve
serve: $(ENVIRONMENT) ui ## run the server with its playground on the embedded store (ARGS="--demo" passes flags)
	@exec $(BIN)/edgeatlas serve $(ARGS)

# A file's tests stay in one process, for the servers that they share. WORKERS=0: all in one process, as a debugger wants.
WORKERS ?= 2

.PHONY: test
test: prepared ## set up everything, real parts included, and run all tests (ARGS="-k name" passes flags, WORKERS=2)
	@$(call say,Tests)
	@EDGEATLAS_PARTS=prepared $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

# One of the long tests may take more than the twenty minutes after which a shorter one is taken to hang.
CHAOS_HANGS_S := 3600

.PHONY: chaos
chaos: $(DEV_STAMP) parts kernels ## the fault tests on their long counts
	@$(call say,Fault tests - long counts)
	@EDGEATLAS_PARTS=prepared $(BIN)/python -m pytest -v -m chaos -o faulthandler_timeout=$(CHAOS_HANGS_S) tests/chaos $(ARGS)

.PHONY: lint
lint: $(DEV_STAMP) ## ruff (rules and format), mypy --strict, import-linter (the layers)
	@$(call say,ruff)
	@$(BIN)/python -m ruff check . $(call or_fail,ruff check,See above; 'make format' mends what can be mended.)
	@$(BIN)/python -m ruff format --check . $(call or_fail,ruff format,Run 'make format'.)
	@$(call say,mypy --strict)
	@$(BIN)/python -m mypy $(call or_fail,mypy,See above: types are checked strictly.)
	@$(call say,import-linter)
	@$(BIN)/lint-imports $(call or_fail,import-linter,A layer imports one above it: see the order in pyproject.toml.)

.PHONY: format
format: $(DEV_STAMP) ## mend formatting and what ruff can mend by itself
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

.PHONY: bench
bench: $(DEV_STAMP) kernels ## run a benchmark: NAME=spine, JSON=1 for a last line to be read by programs
	@test -n "$(NAME)" && test -f "bench/$(BENCH).py" || { \
		printf 'make: no benchmark is named "%s". make bench NAME=…, where … is one of:\n' "$(NAME)"; \
		ls bench/*.py | sed -n -e /__init__/d -e /harness/d -e 's|_|-|g' -e 's|^bench/\(.*\)\.py$$|  \1|p'; exit 2; } >&2
	@$(BIN)/python -m bench.$(BENCH) $(if $(JSON),--json) $(ARGS)
BENCH = $(subst -,_,$(NAME))

.PHONY: neo4j-up
neo4j-up: python ## start a Neo4j server on loopback for `serve --store` (PORT=7687); prints how to use it
	@PYTHON=$(PYTHON) tests/beds/neo4j/up --port $(or $(PORT),7687)

.PHONY: neo4j-down
neo4j-down: python ## stop that Neo4j server (PORT=7687); its data stay
	@PYTHON=$(PYTHON) tests/beds/neo4j/down --port $(or $(PORT),7687)

.PHONY: docs
docs: $(DEV_STAMP) ## write the generated pages under docs/
	@$(BIN)/python -m server.settings_docs docs/settings.md
	@$(BIN)/python -m access.documentation
	@$(BIN)/python -m server.cli.reference docs/cli.md

.PHONY: schema
schema: $(DEV_STAMP) ## write the API's schema to schema/schema.graphql
	@$(BIN)/python -m resolvers.schema schema/schema.graphql

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: $(VENV_STAMP) ## bring the locks into step with pyproject.toml (UPGRADE=1 takes newer versions)
	@$(call say,Locks)
	@$(COMPILE) --group dev pyproject.toml -o requirements/dev.txt $(call or_fail,lock,$(ONLINE))
	@$(COMPILE) -c requirements/dev.txt pyproject.toml -o requirements/runtime.txt $(call or_fail,lock,$(ONLINE))
	@$(COMPILE) -c requirements/dev.txt --group pyproject.toml:build -o requirements/build.txt $(call or_fail,lock,$(ONLINE))
	@$(COMPILE) --group pyproject.toml:installer -o requirements/uv.txt $(call or_fail,lock,$(ONLINE))

.PHONY: clean
clean: ## remove what was set up and built in this checkout (the cache folder stays)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ui/dist server/_ui
	find . -name __pycache__ -type d -not -path './ui/*' -prune -exec rm -rf {} +

# ---- set-up steps ----

.PHONY: python
python:
	@test -n "$(PYTHON)" || { printf '%s\n' \
		'make: no Python 3.11 or newer was found that can make environments (modules venv and ensurepip).' \
		'Looked for python3.13, python3.12, python3.11 and python3. Install one (Debian: apt-get install python3-venv),' \
		'or name it: make … PYTHON=/path/to/python3' >&2; exit 1; }

$(VENV_STAMP): | python
	@$(call say,Python environment in $(VENV))
	@mkdir -p $(CACHE) $(call or_fail,cache folder,Make $(CACHE) writable or set XDG_CACHE_HOME.)
	@if [ -x $(BIN)/python ] && [ "$$($(BIN)/python -c '$(VERSION_OF)' 2>&1)" = "$$($(PYTHON) -c '$(VERSION_OF)')" ]; \
		then $(PYTHON) -m venv $(VENV); else $(PYTHON) -m venv --clear $(VENV); fi \
		$(call or_fail,Python environment,Remove $(VENV) and try again; on Debian the package python3-venv is needed.)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt $(call or_fail,installer,$(ONLINE))
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/venv-* && touch $@
VERSION_OF := import sys; print(sys.version_info[:2])

# The project itself goes in editable, for the names of its commands and drivers; its code is read from the checkout.
define install
	@$(call say,Python packages from $(1))
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes $(1) $(call or_fail,Python packages,$(ONLINE))
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . \
		$(call or_fail,installing the project,See the message above.)
	@rm -f $(STAMPS)/dev-* $(STAMPS)/runtime-* $(STAMPS)/project-* && touch $(STAMPS)/project-$(PROJECT_KEY) $@
endef

$(DEV_STAMP): $(VENV_STAMP) $(if $(wildcard $(STAMPS)/project-$(PROJECT_KEY)),,again)
	$(call install,requirements/dev.txt)

$(RUNTIME_STAMP): $(VENV_STAMP) $(if $(wildcard $(STAMPS)/project-$(PROJECT_KEY)),,again)
	$(call install,requirements/runtime.txt requirements/build.txt)

.PHONY: again
again:

# The playground needs Node; without it the server shows a page that says so.
.PHONY: ui
ui: $(ENVIRONMENT)
	@if [ -f hatch_build.py ]; then $(BIN)/python hatch_build.py \
		$(call or_fail,playground,See the message above.); fi

# Placement's inner loops are compiled once a checkout, a minute or two, and kept until their source changes. `make serve`
# does not wait for it: the server compiles beside its work what is lacking.
.PHONY: kernels
kernels: $(ENVIRONMENT)
	@$(BIN)/python -m placement.ready $(call or_fail,compiling,See the message above.)

# One core compiles while another fetches and builds.
.PHONY: prepared
prepared: $(DEV_STAMP)
	@$(MAKE) kernels & compiling=$$!; trap 'kill $$compiling; exit 130' INT TERM; \
		$(MAKE) ui parts; made=$$?; wait $$compiling && exit $$made

# Each real part is fetched or built once, or named with the reason why it cannot be had; its tests then skip.
.PHONY: parts
parts: $(DEV_STAMP)
	@$(call say,Real parts of the tests)
	@PYTHONPATH=tests $(BIN)/python -P -m beds.prepare
