#!/usr/bin/env bash
# Writes constraints.txt: the exact version of everything a development environment holds, build tools included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet --upgrade pip
"${pip[@]}" install --quiet --editable '.[server]' --group dev

{
    echo "# The exact versions that development and tests use. \`make constraints\` renews them."
    "${pip[@]}" freeze --all --exclude-editable
} >"$scratch/constraints.txt"
cp "$scratch/constraints.txt" constraints.txt
