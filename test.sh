#!/usr/bin/env bash
# Set up all that the tests need (an environment for each gradio, Chromium) and run every test.
# Everything runs even when something fails; the exit code is 0 only when all of it passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

environments=.test-environments
logs="$environments/logs"
all=(gradio-3.41.2 gradio-4.40.0 gradio-current)
mkdir -p "$logs"

stop() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

# The first of the wanted Python versions that works, from PATH or pyenv: python_for "3.10 3.11"
python_for() {
    local version candidate
    for version in $1; do
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version"*/bin/"python$version"; do
            if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
                echo "$candidate"
                return
            fi
        done
    done
    # Whatever python3 is, when its version is among the wanted ones.
    if python3 -c 'import sys, venv, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv[1].split())' "$1" >/dev/null 2>&1; then
        echo python3
    fi
}

# setup NAME PYTHON: a virtual environment that holds what tests/environments/NAME.txt says. Installs only when that changed.
setup() {
    local folder="$environments/$1" wanted
    if [ -z "$2" ]; then
        echo "No Python was found for $1. Install Python 3.10 or 3.11 with its venv module (Debian: sudo apt install python3-venv)."
        return 1
    fi
    wanted="$(cat "tests/environments/$1.txt" tests/environments/common.txt requirements.txt requirements-standalone.txt | sha256sum)"
    "$folder/bin/python" -c '' 2>/dev/null || { rm -rf "$folder" && "$2" -m venv "$folder"; } || return 1
    [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return 0
    "$folder/bin/python" -m pip install --disable-pip-version-check --quiet -r "tests/environments/$1.txt" -r tests/environments/common.txt || return 1
    echo "$wanted" >"$folder/installed"
}

# Beside gradio 3.41.2, for the tests of its queue's repair: the newer httpx that other extensions bring, with the httpcore that it needs.
setup_httpx() {
    local folder="$environments/httpx-0.28" wanted="httpx==0.28.1 httpcore==1.0.7"
    [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && return 0
    rm -rf "$folder"
    # shellcheck disable=SC2086 -- two words
    "$environments/gradio-3.41.2/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps --target "$folder" $wanted || return 1
    echo "$wanted" >"$folder/installed"
}

setup_all() {
    local hosts current name jobs=() index=0
    hosts="$(python_for "3.10 3.11")"
    current="$(python_for "3.11 3.12 3.13 3.10")"
    echo "Setting up the test environments (a few minutes the first time) ..."
    for name in "${all[@]}"; do
        if [ "$name" = gradio-current ]; then setup "$name" "$current"; else setup "$name" "$hosts"; fi >"$logs/setup-$name.txt" 2>&1 &
        jobs+=($!)
    done
    for name in "${all[@]}"; do
        if ! wait "${jobs[$index]}"; then
            tail -n 25 "$logs/setup-$name.txt"
            stop "The environment $name could not be set up; the reason is above. The first run needs the network."
        fi
        index=$((index + 1))
    done
    if ! setup_httpx >"$logs/setup-httpx-0.28.txt" 2>&1; then
        tail -n 25 "$logs/setup-httpx-0.28.txt"
        stop "httpx 0.28 could not be set up; the reason is above. The first run needs the network."
    fi
}

# Debian's Chromium: the build without windows, which needs less of the processor, or else the ordinary one.
chromium_is_here() { [ -x /usr/lib/chromium/chromium-headless-shell ] || [ -x /usr/bin/chromium ]; }

setup_chromium() {
    [ -x /usr/lib/chromium/chromium-headless-shell ] && return
    local root=()
    if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi
    echo "Installing Chromium ..."
    {
        timeout 300 "${root[@]}" apt-get update -qq
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell \
            || chromium_is_here || "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
    } >"$logs/setup-chromium.txt" 2>&1
    if ! chromium_is_here; then
        tail -n 5 "$logs/setup-chromium.txt"
        stop "The tests drive Debian's Chromium, and it could not be installed." "Install it, then run ./test.sh again: sudo apt install chromium"
    fi
}

log_of() { echo "$logs/$(echo "$1" | tr -c 'A-Za-z0-9.\n' '-').txt"; }

# run LABEL COMMAND...: its output is kept, and shown when it has ended.
run() {
    local label="$1" log
    shift
    log="$(log_of "$label")"
    echo "$label ..."
    "$@" >"$log" 2>&1
    echo "$?" >"$log.status"
    printf '\n--- %s\n%s\n' "$label" "$(cat "$log")"
}

# job LABEL: one of the jobs below.
job() {
    local environment="${1##* }" current="$environments/gradio-current/bin/python"
    case "$1" in
        ruff) run "$1" "$current" -m ruff check . ;;
        mypy) run "$1" "$current" -m mypy ;;
        tests) run "$1" "$current" -m pytest tests -q -ra --durations=20 --ignore=tests/pages --ignore=tests/hosts ;;
        *) run "$1" "$environments/$environment/bin/python" -m pytest "tests/${1%% *}" -q -ra --durations=12 ;;
    esac
}

setup_all
setup_chromium
rm -f "$logs"/*.status

# Three at a time, the longest first: they mostly wait for servers, pages and kills.
jobs=(ruff mypy tests "pages on gradio-current" "pages on gradio-3.41.2" "pages on gradio-4.40.0")
for name in "${all[@]}"; do jobs+=("hosts on $name"); done
export environments logs
export -f job run log_of
printf '%s\0' "${jobs[@]}" | xargs -0 -n 1 -P 3 bash -c 'job "$1"' job

# Each one's closing line again, so that the outcome stands at the end.
failed=0
echo
for label in "${jobs[@]}"; do
    log="$(log_of "$label")"
    if [ "$(cat "$log.status" 2>/dev/null)" != 0 ]; then failed=1; fi
    printf -- '--- %s\n%s\n' "$label" "$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)"
done
exit "$failed"
