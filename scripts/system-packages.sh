#!/usr/bin/env bash
# Make sure that the named Debian packages are there.
#
# Root on Debian or Ubuntu: they are installed. Anybody else: what is missing is said, and it depends
# on the package whether that is an error (python3-venv) or the tests that need it say so themselves.
set -euo pipefail

missing=()
for package in "$@"; do
    case "$package" in
        chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing+=("$package") ;;
        tesseract-ocr) command -v tesseract >/dev/null || missing+=("$package") ;;
        python3-venv) missing+=("$package") ;; # the caller has found it missing
        *)
            if command -v dpkg-query >/dev/null; then
                dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
            fi
            ;;
    esac
done
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing system packages: ${missing[*]} …" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi

echo "Missing on this system: ${missing[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
case " ${missing[*]} " in
    *" python3-venv "*) exit 1 ;;
esac
