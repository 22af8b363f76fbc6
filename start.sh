#!/usr/bin/env bash
# Start Civitai Manager alone in a browser. The first start makes .venv beside this file and installs what is needed.
#   ./start.sh            serve on http://127.0.0.1:7861
#   ./start.sh --demo     the same against the bundled demo Civitai: offline, without a key
# All arguments go to main.py (./start.sh --help).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$here/.venv"

stop() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

usable() { # Is $1 a Python from 3.10 to 3.13?
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10 python; do
        if [ -n "$name" ] && usable "$name"; then
            command -v "$name"
            return
        fi
    done
    if command -v python3 >/dev/null 2>&1; then
        stop "Civitai Manager needs Python 3.10 to 3.13. Found: $(python3 --version 2>&1)." \
            "Install one of them (https://www.python.org/downloads/) and start again, or name it: PYTHON=/path/to/python3.12 ./start.sh"
    fi
    stop "Python was not found. Civitai Manager needs Python 3.10 to 3.13." \
        "Install it (https://www.python.org/downloads/, or: sudo apt install python3 python3-venv) and start again."
}

make_environment() {
    local python
    python="$(find_python)"
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        stop "Python's venv module is missing ($python)." "On Debian or Ubuntu: sudo apt install python3-venv. Then start again."
    fi
    echo "Making the environment in .venv with $("$python" --version) ..."
    rm -rf "$venv"
    if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        stop "The environment could not be made in $venv." "Is the folder writable, and is there space on the disk?"
    fi
}

wanted() { cat "$here/requirements.txt" "$here/requirements-standalone.txt"; }

usable "$venv/bin/python" || make_environment

# What was installed last is kept as text: another text, another installation.
if ! wanted | cmp -s - "$venv/installed.txt"; then
    echo "Installing what Civitai Manager needs; the first time this takes a minute or two ..."
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check --quiet -r "$here/requirements-standalone.txt"; then
        stop "The installation did not finish; the reason is above." \
            "Is this computer online? The first start needs the network; later starts do not. Start again to go on."
    fi
    wanted >"$venv/installed.txt"
fi

exec "$venv/bin/python" "$here/main.py" "$@"
