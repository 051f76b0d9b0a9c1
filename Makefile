# `make demo`: everything, from nothing, to a finished migration with a report.
# `make test`: everything, from nothing, to a green test run.
VENV := .venv
BIN := $(VENV)/bin
INSTALL := requirements/install $(BIN)/python --python $(BIN)/python
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where the machine sets this for every Python, each start compiles all that it imports: uv leaves that to the
# first one.
export PYTHONDONTWRITEBYTECODE :=
.PHONY: agents bench browser coverage demo demo-down engine images test tests lint lint-python lint-yaml venv venv-dev
.DELETE_ON_ERROR:

$(VENV)/control: requirements/uv.txt requirements/control.txt pyproject.toml
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(INSTALL) --require-hashes -r requirements/control.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/control
	$(INSTALL) --require-hashes -r requirements/dev.txt
	touch $@

venv: $(VENV)/control

venv-dev: $(VENV)/dev

# They take what nobody else wants of the processors: in `make test` everybody waits for the tests.
lint-python: venv-dev
	nice -n 19 ruff check
	nice -n 19 ruff format --check
	nice -n 19 mypy

lint-yaml: venv-dev
	nice -n 19 yamllint --strict .
	nice -n 19 ansible-lint --offline

lint: venv-dev
	$(MAKE) --jobs=2 --output-sync lint-python lint-yaml

# DEMO=echo: both colours return what they hear. DEMO=coach: both talk.
DEMO := echo
INVENTORY_echo := inventories/demo
INVENTORY_coach := inventories/demo-coach

demo: venv
	@test -n "$(INVENTORY_$(DEMO))" || { echo "DEMO=$(DEMO): write DEMO=echo or DEMO=coach"; exit 2; }
	ansible-playbook -i $(INVENTORY_$(DEMO)) playbooks/engine.yml
	ansible-playbook -i $(INVENTORY_$(DEMO)) playbooks/demo_up.yml
	ansible-playbook -i $(INVENTORY_$(DEMO)) migrate.yml
	@echo "Back again: . $(BIN)/activate && ansible-playbook -i $(INVENTORY_$(DEMO)) rollback.yml"

demo-down: venv
	ansible-playbook playbooks/demo_down.yml

# make bench NAME=gateway: writes var/bench/gateway.json
bench: venv-dev
	mkdir -p var/bench
	python bench/$(NAME).py

# The pages are looked at in a real one.
browser:
	command -v chromium >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >/dev/null; }

engine: venv browser
	ansible-playbook playbooks/engine.yml

images: engine
	ansible-playbook playbooks/images.yml

# What agents under test run on, made ahead: nothing is installed beside tests of calls.
agents: venv-dev
	PYTHONPATH=tests nice -n 19 python -m integration.harness

# On three workers, one of which makes images and agents first: tests/conftest.py.
tests: venv-dev engine
	pytest -n 3 --no-loadscope-reorder --durations=20 tests/e2e tests/unit tests/integration

# Lines of src/releve and plugins that tests run: make coverage, or make coverage TESTS=tests/unit
TESTS := tests/unit tests/integration
coverage: venv-dev
	mkdir -p var
	pytest -n 2 --cov --cov-report=term:skip-covered $(TESTS)

test:
	$(MAKE) --jobs=3 --no-print-directory tests lint-python lint-yaml
