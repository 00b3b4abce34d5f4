#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows Staffeln at work on a real cloud that it brings along.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
. tools/lib/install.sh

usage() {
    cat <<USAGE
usage: tools/demo.sh [--keep]

Brings up a single-node OpenStack on loopback, makes projects, servers and
volumes in it, runs staffeln-conductor on an SQLite database, waits for full
and incremental backups, restores them and compares checksums.

  --keep  leave all running at the end and say how to look around

Needs Debian 12, root or sudo, and apt and pip that reach their servers.
What is installed goes to $CACHE.
USAGE
}

keep=
case ${1:-} in
    '') ;;
    --keep) keep=--keep ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown argument \"$1\"" ;;
esac
[ $# -le 1 ] || { usage >&2; die "too many arguments"; }

# shellcheck disable=SC1091
system=$(. /etc/os-release 2>/dev/null && echo "$ID $VERSION_ID") || system=
[ "$system" = "debian 12" ] ||
    die "the demo runs on Debian 12; this is ${system:-an unknown system}"

# install_staffeln VENV: build it outside the checkout. setuptools would take
# modules into the package that a former build left there.
install_staffeln() (
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    printf '[build]\nbuild_base = %s/build\n[egg_info]\negg_base = %s\n' \
        "$scratch" "$scratch" >"$scratch/extra.cfg"
    env DIST_EXTRA_CONFIG="$scratch/extra.cfg" PBR_VERSION=3.0.0.dev0 \
        SKIP_GENERATE_AUTHORS=1 SKIP_WRITE_GIT_CHANGELOG=1 \
        "$1/bin/pip" --disable-pip-version-check --quiet install --no-deps \
        --no-build-isolation --force-reinstall . </dev/null
)

# Two at a time would take each other's cloud away.
mkdir -p "$CACHE"
exec 7>"$CACHE/demo.lock"
flock -n 7 || die "another demo runs"

started=$SECONDS
venv=$(cached_venv demo-venv requirements.txt tools/lib/build.txt)
install_staffeln "$venv" || die "Staffeln itself could not be installed"
say "Staffeln is installed in $venv ($((SECONDS - started)) s)"

exec env PYTHONPATH="$ROOT" STAFFELN_CACHE="$CACHE" \
    "$venv/bin/python" -m tools.lib.demo $keep
