# What people who work on the code run; `make help` lists it.
PYTEST = uv run pytest --dist loadfile
ONE ?= startup

.DEFAULT_GOAL := help
.PHONY: help setup format check test test-all bench

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what uv.lock pins, and the hooks of pre-commit
	uv sync
	uvx pre-commit install

format: ## format the code and fix what ruff can fix
	uv run ruff format .
	uv run ruff check --fix .

check: ## style, types, uv.lock and requirements.txt in step with pyproject.toml
	bash .ci/check

test: ## the tests that start no processes, servers or databases: a minute and a half
	$(PYTEST) -n 2 -m "not slow" --hypothesis-profile=quick

test-all: ## all tests, three files at a time: many wait for processes, servers and time to pass
	$(PYTEST) -n 3

bench: ## one benchmark: make bench ONE=reading (benchmarks/README.md lists them)
	uv run python -m benchmarks.$(ONE)
