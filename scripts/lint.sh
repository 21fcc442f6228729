#!/usr/bin/env bash
# Style, types and the direction of imports.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/ty check rag_app
.venv/bin/lint-imports --no-logo
