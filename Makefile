# `make` lists the targets. Everything is installed into .venv, from the lock files only.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
LOWEST := $(VENV)/lowest
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- Environment: stamps, so that a second call installs nothing ---

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not installed. Install Python 3.11 or newer, or name one: PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is older. Name a newer one: PYTHON=python3.13." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create a virtual environment. On Debian or Ubuntu: apt-get install python3-venv." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements.txt
	$(PIP_INSTALL) --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt pyproject.toml
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.txt
	$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(LOWEST)/.installed: requirements-lowest.txt pyproject.toml | $(VENV)/.created
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements-lowest.txt
	$(LOWEST)/bin/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	$(PIP_INSTALL) --require-hashes --requirement requirements-bench.txt
	@touch $@

# --- Use ---

.PHONY: demo
demo: $(VENV)/.runtime ## Run against the built-in Azure simulator (flags: ARGS=--web.listen-address=127.0.0.1:9000)
	$(BIN)/python -m exporter demo $(ARGS)

.PHONY: image
image: $(VENV)/.created ## Build the container image offline, run it locked down and scrape it (Debian, root)
	ci/image.sh

# --- Develop ---

.PHONY: check
check: lint type lock-check generate-check test ## Everything a change must pass before review

.PHONY: test
test: $(VENV)/.dev ## Run the tests (flags: ARGS="-k name")
	$(BIN)/python -m pytest -n auto -m "not stack" $(ARGS)

# These use what we use of each dependency.
LOWEST_TESTS := tests/azure tests/config tests/metrics $(addprefix tests/state/test_,codec.py store.py) \
  $(addprefix tests/web/test_,auth.py server.py status.py tls.py) \
  $(addprefix tests/cli/test_,commands.py demo.py jobs.py logs.py)

.PHONY: test-lowest
test-lowest: $(LOWEST)/.installed ## Run tests with the oldest dependencies that pyproject.toml allows
	$(LOWEST)/bin/azure-backup-exporter --version
	$(LOWEST)/bin/azure-backup-exporter check-config config.example.yaml
	HYPOTHESIS_PROFILE=quick $(LOWEST)/bin/python -m pytest -n auto -p no:cacheprovider -m "not stack" $(LOWEST_TESTS) $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev ## Run them and list the lines that no test runs (three times as slow)
	$(BIN)/python -m pytest -n auto --cov -m "not stack" $(ARGS)

.PHONY: stack-test
stack-test: $(VENV)/.dev ## Run the tests against real programs: rules, routes, dashboards, the loop (Debian; see .ci/run)
	$(BIN)/python -m pytest -m "stack and not alone" -n auto --dist loadfile $(ARGS)
	$(BIN)/python -m pytest -m "stack and alone" $(ARGS)

FUZZ_SECONDS ?= 20

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Fuzz from a raw body to the page, guided by coverage (Python 3.11; FUZZ_SECONDS=20)
	$(PIP_INSTALL) --require-hashes --requirement requirements-fuzz.txt
	$(BIN)/python fuzz/fuzz_page.py -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -timeout=10 -verbosity=0

.PHONY: lint
lint: $(VENV)/.dev ## Check style, layers and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

.PHONY: format
format: $(VENV)/.dev ## Format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: type
type: $(VENV)/.dev ## Check types
	$(BIN)/mypy

GENERATORS := deploy/prometheus/generate.py grafana/generate.py docs/generate.py

.PHONY: generate
generate: $(VENV)/.dev ## Make the generated files anew: rules, dashboards, parts of the docs
	set -e; for generator in $(GENERATORS); do $(BIN)/python $$generator; done

.PHONY: generate-check
generate-check: $(VENV)/.dev ## Check that the generated files are current
	set -e; for generator in $(GENERATORS); do $(BIN)/python $$generator --check; done

.PHONY: pictures
pictures: $(VENV)/.dev ## Draw the dashboards and the status page into docs/images (needs npm, Chromium, Prometheus; 620 MB below .cache)
	$(BIN)/python tests/stack/grafana/render.py
	$(BIN)/python tests/stack/browser/pictures.py

.PHONY: bench
bench: $(VENV)/.bench ## Measure performance against prometheus_client, nginx and the official client (ARGS="--only NAME")
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-docs
bench-docs: $(VENV)/.bench ## Measure, and write docs/performance.md and its plot
	$(BIN)/python -m benchmarks --write

.PHONY: bench-limits
bench-limits: $(VENV)/.dev ## Simulate first fills and a week under Azure's read limits (slow; ARGS="--days 2")
	$(BIN)/python -m benchmarks.first_fill
	$(BIN)/python -m benchmarks.read_limits $(ARGS)

.PHONY: lock
lock: $(VENV)/.dev ## Write the lock files from pyproject.toml, keeping the pins that still fit
	ci/lock.sh

.PHONY: upgrade
upgrade: $(VENV)/.dev ## Write the lock files with the newest versions
	ci/lock.sh --upgrade

.PHONY: lock-check
lock-check: $(VENV)/.dev ## Check that the lock files fit pyproject.toml
	ci/lock.sh --check

.PHONY: clean
clean: ## Remove the environment, caches and build results
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
