#!/usr/bin/env bash
# The tests, quickest first. COVERAGE=1 also measures coverage over all of them, which takes longer.
#
#   quick     everything without a browser and without breaking processes; in parallel
#   faults    kills, pauses and breaks running processes; one after the other
#   e2e       drives a real browser against a running installation; one after the other
set -euo pipefail
cd "$(dirname "$0")/.."

cover=()
if [ -n "${COVERAGE:-}" ]; then
    cover=(--cov --cov-append --cov-report=)
fi

# A stage without a single test is fine (pytest says so with 5).
stage() {
    local name="$1"
    shift
    echo "== $name" >&2
    .venv/bin/python -m pytest "${cover[@]}" "$@" || [ $? -eq 5 ]
}

rm -f .coverage .coverage.*
stage quick -m "not e2e and not fault" -n 2 --dist loadfile
stage faults -m fault
stage e2e -m e2e
if [ -n "${COVERAGE:-}" ]; then
    .venv/bin/coverage report --skip-covered --sort cover
fi
