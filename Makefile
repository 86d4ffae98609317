# The whole of it: `make demo` shows what Waypost does, `make test` proves it. Needs python3 (3.11 or newer), no more.
# Arguments go through: make up ARGS="--port 9000", make test ARGS="-k signing".

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

# What is installed is known by the checksum of the requirements: a change installs again, nothing else does.
RUN_STAMP := $(VENV)/.run-$(shell cksum < requirements.txt | tr ' ' '-')
DEV_STAMP := $(VENV)/.dev-$(shell cksum < requirements-dev.txt | tr ' ' '-')

.DEFAULT_GOAL := help
.PHONY: help demo up test test-fast collect journey faults test-brokers test-senders test-wheel test-image isolation interop api-fuzz bench bench-quick bench-compare lint format typecheck coverage hooks lock dist docs clients clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 12

demo: $(RUN_STAMP) ## run the main job from end to end, on this machine only
	@echo "== the demo"
	@$(BIN)/python manage.py demo $(ARGS)

up: $(RUN_STAMP) ## run the platform until Ctrl-C
	@$(BIN)/python manage.py up $(ARGS)

test: $(DEV_STAMP) ## run all tests on real, embedded servers
	@echo "== the tests"
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

test-fast: $(DEV_STAMP) ## run the pure and the database tests (about a minute)
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" $(ARGS)

collect: $(DEV_STAMP) ## collect all tests without running them, which keeps their compiled code for the processes of `make test`
	@echo "== collecting the tests"
	@found=$$(PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq -p no:randomly 2>&1) || { echo "$$found"; exit 1; }

coverage: $(DEV_STAMP) ## run the fast tests and report which lines they reach
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

journey: $(DEV_STAMP) ## send ten thousand events from provider to receiver while workers are killed
	@WAYPOST_JOURNEY_EVENTS=10000 $(BIN)/python -m pytest tests/journeys/test_receiving.py $(ARGS)

SEEDS ?= 20
faults: $(DEV_STAMP) ## inject every fault, SEEDS=20 times each, and check the delivery guarantees (about two hours)
	@$(BIN)/python -m tests.faults --seeds $(SEEDS) $(ARGS)

test-brokers: $(DEV_STAMP) ## test sources against real brokers, those that can be had here, side by side
	@echo "== the brokers"
	@$(BIN)/python -m tests.brokers $(ARGS)

test-senders: $(DEV_STAMP) ## hold the presets of senders against the senders' own libraries, which are installed for it
	@echo "== the senders"
	@$(BIN)/python -m tests.senders $(ARGS)

test-wheel: $(DEV_STAMP) ## install the wheel in an empty environment, from the index of packages, and run the platform there
	@WAYPOST_WHEEL_ALONE=1 $(BIN)/python -m pytest tests/journeys/test_installed.py $(ARGS)

test-image: $(DEV_STAMP) ## build the image and run it, with podman or docker; ARGS="--base IMAGE" builds on another image
	@$(BIN)/python -m tests.image $(ARGS)

isolation: $(DEV_STAMP) ## measure a neighbour beside every attack (about forty minutes); ARGS="--only 4,11"
	@$(BIN)/python -m tests.isolation $(ARGS)

interop: $(DEV_STAMP) ## print what came out with the receivers, hosts and senders of others; ARGS="nginx" or ARGS=hosts
	@$(BIN)/python -m tests.interop $(ARGS)

api-fuzz: $(DEV_STAMP) ## send the API valid and invalid requests that are generated from its description
	@$(BIN)/python -m tests.api $(ARGS)

bench: $(DEV_STAMP) ## measure every row, and the usual way for comparison; needs a C compiler (about an hour)
	@echo "== the benchmarks"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(DEV_STAMP) ## measure the main rows in small sizes (under three minutes)
	@$(BIN)/python -m benchmarks --quick $(ARGS)

BASE ?= HEAD
ROWS ?=
ROUNDS ?= 6
bench-compare: $(DEV_STAMP) ## say what became slower than BASE=COMMIT, measured in turns; ROWS="publish drain", ROUNDS=6
	@$(BIN)/python -m benchmarks.compare $(BASE) --rounds $(ROUNDS) $(foreach row,$(ROWS),--only $(row)) $(ARGS)

lint: $(DEV_STAMP) ## check style, types, migrations and the settings of production
	@echo "== style";      $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== types";      $(BIN)/mypy
	@echo "== migrations"; $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "== production"; WAYPOST_ENV=production PUBLIC_URL=https://waypost.example \
		SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
		WAYPOST_ENCRYPTION_KEYS="$$($(BIN)/python -c 'from cryptography import fernet; print(fernet.Fernet.generate_key().decode())')" \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(DEV_STAMP) ## format the code and sort its imports
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

typecheck: $(DEV_STAMP) ## check types
	@$(BIN)/mypy

hooks: $(DEV_STAMP) ## install the git hook that checks style and types before every commit
	@$(BIN)/pre-commit install

# All extras but what only tests need.
RUN_EXTRAS = $(shell $(BIN)/python -c "import tomllib; print(*(f'--extra {it}' for it in \
	tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'] if it != 'testing'))")
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: $(DEV_STAMP) ## resolve the dependency ranges of pyproject.toml again
	@$(BIN)/$(LOCK) $(RUN_EXTRAS) --upgrade pyproject.toml -o requirements.txt
	@$(BIN)/$(LOCK) --all-extras --upgrade pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	@$(BIN)/$(LOCK) --all-extras --upgrade pyproject.toml --group senders -c requirements-dev.txt -o requirements-senders.txt

dist: $(DEV_STAMP) ## build the wheel and the source distribution into dist/
	@rm -rf dist && $(BIN)/uv build --quiet --out-dir dist . && ls dist

clients: $(DEV_STAMP) ## generate, check and test the clients of the API on a running platform
	@$(BIN)/python clients/python/generate.py
	@if command -v npm >/dev/null; then cd clients/typescript && npm ci --silent --no-audit --no-fund && npm run --silent generate; \
		else echo "no npm here: the client for TypeScript is not generated"; fi
	@if command -v go >/dev/null; then cd clients/go && go generate ./...; \
		else echo "no go here: the client for Go is not generated"; fi
	@$(BIN)/python -m pytest tests/clients $(ARGS)

docs: $(DEV_STAMP) ## build the site of the documentation into site/; it needs no network to be read, and npm for its diagrams
	@rm -rf site .site && $(BIN)/python docs/site.py pages .site && $(BIN)/zensical build --strict && $(BIN)/python docs/site.py offline site && rm -rf .site
	@echo "open site/index.html"

clean: ## remove the environment, the caches, and the data of this checkout
	@if [ -x $(BIN)/python ] && [ -d .waypost ]; then $(BIN)/python -m config.local.embedded discard .waypost; fi
	rm -rf $(VENV) .waypost .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov dist site .site benchmarks/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Waypost needs Python 3.11 or newer; name it with PYTHON=..." >&2; exit 1; }
	@echo "== a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "python3 has no venv here (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }

$(RUN_STAMP): | $(VENV)/pyvenv.cfg
	@echo "== installing what it needs to run (about a minute, the first time only)"
	@$(PIP) install -r requirements.txt
	@rm -f $(VENV)/.run-*; touch $@

$(DEV_STAMP): | $(VENV)/pyvenv.cfg
	@echo "== installing what it needs to be tested (about a minute, the first time only)"
	@$(PIP) install -r requirements-dev.txt
	@rm -f $(VENV)/.dev-* $(VENV)/.run-*; touch $@ $(RUN_STAMP)
