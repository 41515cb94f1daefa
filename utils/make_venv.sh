#!/bin/bash
# make_venv.sh FOLDER: a Python environment with exactly the packages of requirements.txt.
set -euo pipefail
venv="$1"
requirements="$(dirname "$0")/../requirements.txt"

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }

# A virtual environment does not survive the removal of the Python it was made from.
if ! usable "$venv/bin/python"; then
  python=
  for candidate in /usr/bin/python3 python3; do
    if usable "$candidate"; then python="$candidate"; break; fi
  done
  [ -n "$python" ] || { echo "python 3.11 or newer with the venv module is needed, install python3-venv" >&2; exit 1; }
  "$python" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
