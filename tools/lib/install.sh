# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts of this folder: what they need on a bare machine.

# Where everything goes that is made once and used again.
CACHE=${STAFFELN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/staffeln}
CACHE=$(realpath -m "$CACHE")

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# as_root COMMAND...: run it as root, by sudo when we are somebody else.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "cannot run \"$*\": neither root nor sudo"
    fi
}

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed || printf '%s ' "$package"
    done
}

# need_packages PACKAGE...: install those Debian packages that are missing.
# No system service is started: policy-rc.d refuses it meanwhile.
need_packages() {
    local missing
    command -v apt-get >/dev/null ||
        die "this needs Debian's packages ($*), and there is no apt-get here"
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "installing Debian packages: $missing"
    # shellcheck disable=SC2086
    install_packages $missing || die "apt-get could not install: $missing"
}

# A subshell of its own, so that its trap clears up when it ends. What a
# SIGKILL left is known by its mark, and cleared up by the next one; the lock
# tells it from that of another one at work. A foreign guard is not touched.
install_packages() (
    guard=/usr/sbin/policy-rc.d
    mark='# Written by Staffeln: packages start no service'
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    mkdir -p "$CACHE"
    exec 8>"$CACHE/packages.lock"
    flock 8
    if [ ! -e "$guard" ] || grep -qxF "$mark" "$guard"; then
        trap 'rm -f "$log"; as_root rm -f "$guard"' EXIT
        printf '#!/bin/sh\n%s\nexit 101\n' "$mark" |
            as_root tee "$guard" >/dev/null
        as_root chmod 755 "$guard"
    fi
    as_root apt-get -qq update >"$log" 2>&1 8>&- &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
            -o DPkg::Lock::Timeout=600 --no-install-recommends \
            install "$@" </dev/null >>"$log" 2>&1 8>&- && exit 0
    tail -n 20 "$log" >&2
    exit 1
)

# find_python: print a Python 3.11 or newer that can make virtual
# environments; on Debian, install what it lacks.
find_python() {
    local check='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
    local attempt python
    for attempt in as_is installed; do
        for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
            if "$python" -c "$check" >/dev/null 2>&1; then
                command -v "$python"
                return 0
            fi
        done
        [ "$attempt" = installed ] || need_packages python3 python3-venv
    done
    die "no Python 3.11 or newer with venv found (PYTHON=${PYTHON:-not set})"
}

# cached_venv NAME FILE...: print the folder of a virtual environment with
# the requirements of these files; made once for the same contents and the
# same Python, by one process at a time, and never used half made.
cached_venv() {
    local name=$1 python key venv started file requirements=()
    shift
    for file in "$@"; do
        requirements+=(-r "$file")
    done
    python=$(find_python) || return 1
    key=$({ "$python" -c 'import sys; print(sys.executable, sys.version)'
        cat "$@"; } | sha256sum | cut -c1-12)
    venv=$CACHE/$name-$key
    mkdir -p "$CACHE"
    (
        flock 9
        [ ! -e "$venv/.complete" ] || exit 0
        started=$SECONDS
        say "making a virtual environment in $venv"
        rm -rf "$venv"
        if "$python" -m venv "$venv" &&
            "$venv/bin/pip" --disable-pip-version-check install \
                "${requirements[@]}" </dev/null 2>>"$venv.log"; then
            touch "$venv/.complete"
            say "made it in $((SECONDS - started)) s"
        else
            tail -n 30 "$venv.log" >&2
            exit 1
        fi
    ) 9>"$venv.lock" >>"$venv.log" || die "could not make $venv"
    printf '%s\n' "$venv"
}
