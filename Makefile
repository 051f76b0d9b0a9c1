# `make demo`: everything, from nothing, to a finished migration with a report.
# `make test`: everything, from nothing, to a green test run.
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
.PHONY: demo demo-down test lint venv venv-dev
.DELETE_ON_ERROR:

$(VENV)/control: requirements/control.txt pyproject.toml
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/control.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/control
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

venv: $(VENV)/control

venv-dev: $(VENV)/dev

lint: venv-dev
	ruff check
	ruff format --check
	mypy
	yamllint --strict .
	ansible-lint --offline

demo: venv
	ansible-playbook playbooks/engine.yml
	ansible-playbook playbooks/demo_up.yml
	ansible-playbook migrate.yml
	@echo "Back again: . $(BIN)/activate && ansible-playbook rollback.yml"

demo-down: venv
	ansible-playbook playbooks/demo_down.yml

test: lint
	ansible-playbook playbooks/engine.yml
	pytest
