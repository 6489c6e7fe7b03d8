# `make help` lists what there is. Everything is installed into .venv, inside the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where compiled sources may not be kept, each of the many processes below compiles Airflow anew, for some seconds.
export PYTHONDONTWRITEBYTECODE :=

# Any Python from 3.11 on will do; 3.11 is the one the locks were resolved for, so it comes first.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
STAMP := $(VENV)/.installed
PYTEST := $(RUN) -m pytest
# The processor count is small on most build machines, and two workers already halve the wall clock. Whoever is done first
# takes tests over from the other: a file of long stories may come last.
WORKERS ?= 2
ARGS ?=

.PHONY: help install lock format lint types test test-unit properties contract integration dags e2e scenarios chaos check \
	sandbox demo up down distributed bench golden promises clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv and install the locked packages and this project into it

$(RUN):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv installs a lock in seconds. Where it cannot reach an index that only pip is configured for, pip does the same work.
$(STAMP): requirements.txt tests/requirements.txt pyproject.toml | $(RUN)
	@$(RUN) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(VENV) holds a Python older than 3.11; run 'make clean' and try again" >&2; exit 1; }
	$(RUN) -m pip install --quiet --disable-pip-version-check "$$(grep -E '^uv==' tests/requirements.txt | cut -d' ' -f1)"
	$(RUN) -m uv pip install --quiet --python $(RUN) -r requirements.txt -r tests/requirements.txt \
		|| $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r tests/requirements.txt
	$(RUN) -m uv pip install --quiet --python $(RUN) --no-deps -e . \
		|| $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

lock: | $(RUN)  ## resolve the locks anew from the ranges in pyproject.toml
	$(RUN) -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate $(ARGS) \
		--custom-compile-command "make lock" --extra sandbox --extra celery pyproject.toml -o requirements.txt
	$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate $(ARGS) \
		--custom-compile-command "make lock" --group dev -c requirements.txt -o tests/requirements.txt

format: $(STAMP)  ## put the sources into the project's format
	$(RUN) -m ruff check --fix --select I,UP .
	$(RUN) -m ruff format .

lint: $(STAMP)  ## check style, format and import rules
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(STAMP)  ## check types, strictly
	$(RUN) -m mypy

test: $(STAMP)  ## run all tests but the end-to-end ones (ARGS="-k merge" narrows, WORKERS=1 serialises)
	$(PYTEST) -n $(WORKERS) --dist worksteal --ignore tests/e2e --ignore tests/benchmarks $(ARGS)

test-unit: $(STAMP)  ## run the tests of single modules
	$(PYTEST) tests/unit -n $(WORKERS) --dist worksteal $(ARGS)

properties: $(STAMP)  ## run the laws of the core on random worlds (HYPOTHESIS_PROFILE=nightly: many more)
	$(PYTEST) tests/properties -n $(WORKERS) --dist worksteal $(ARGS)

contract: $(STAMP)  ## run the clients, and public clients of the vendors, against the sandbox
	$(PYTEST) tests/contract $(ARGS)

integration: $(STAMP)  ## run the stages on real databases and a sandbox with faults
	$(PYTEST) tests/integration $(ARGS)

dags: $(STAMP)  ## load and run the DAGs
	$(PYTEST) tests/dags $(ARGS)

e2e: $(STAMP)  ## run the slow proofs: whole Airflow installations, started and stopped
	$(PYTEST) tests/e2e $(ARGS)

scenarios: $(STAMP)  ## play the stories of what the product does (tests/scenarios)
	$(PYTEST) tests/scenarios $(ARGS)

chaos: $(STAMP)  ## kill the sync again and again while people work, and see that nothing is lost (ARGS="--rounds 30")
	$(RUN) -m tests.e2e.chaos $(ARGS)

golden: $(STAMP)  ## rewrite the plans of the scenarios; read the difference before committing it
	$(PYTEST) tests/scenarios --golden $(ARGS)
	git diff --stat -- tests/scenarios

promises: $(STAMP)  ## write docs/promises.md anew from docs/promises.yaml and the tests
	$(RUN) -m tools.promises

bench: $(STAMP)  ## measure start-up, the merge, a whole decision, the store, a busy cycle and the sandbox against their goals
	$(RUN) -m tests.benchmarks.startup
	$(PYTEST) tests/benchmarks -s --timeout 1800 $(ARGS)
	$(RUN) -m tests.benchmarks.decide
	$(RUN) -m tests.benchmarks.state
	$(RUN) -m tests.benchmarks.cycle
	$(RUN) -m tests.benchmarks.baseline

check: lint types test  ## everything CI runs

sandbox: $(STAMP)  ## start Marketo, Dataverse and Entra ID on this machine (ARGS="--people 2000 --seed 7")
	$(RUN) -m include.sandbox $(ARGS)

demo: $(STAMP)  ## show the sync at work in a real Airflow (KEEP=1 leaves it running)
	$(RUN) -m tools.demo $(if $(KEEP),--keep) $(ARGS)

distributed: $(STAMP)  ## run the sync over two Celery workers, as docker-compose.yaml would (DAG=<id>: another)
	$(RUN) -m tools.distributed $(if $(DAG),--dag $(DAG)) $(ARGS)

up: .env  ## start the containers of docker-compose.yaml
	docker compose up --build --detach --wait $(ARGS)

down:  ## stop the containers; their volumes stay
	docker compose down $(ARGS)

.env:
	@echo "There is no .env yet: copy .env.example to .env and fill in the secrets" >&2; exit 1

clean:  ## remove what the targets above made, .venv too
	rm -rf $(VENV) .demo .sandbox .bench .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		build dist *.egg-info .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
