#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests and checks, and installs what they need.
# The commands themselves are in tox.ini.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec 2>&1 # one stream, so that the last line stays the last
# shellcheck source=tools/lib/install.sh
. "$ROOT/tools/lib/install.sh"
# shellcheck source=tools/lib/kube_apiserver.sh
. "$ROOT/tools/lib/kube_apiserver.sh"
cd "$ROOT" || exit 1

TEST_TIERS=(unit functional integration)
CHECK_TIERS=(pep8 mypy layers docs)
NAMED_TIERS=(cover)

usage() {
    cat <<USAGE
usage: tools/test.sh [TIER ...] [-- ARGUMENT ...]

Tests:   ${TEST_TIERS[*]}
Checks:  ${CHECK_TIERS[*]}
By name: ${NAMED_TIERS[*]}

Without a tier: all tests and checks. Arguments after -- go to stestr, for
example: tools/test.sh unit -- schedule
What is installed goes to $CACHE.
USAGE
}

is_in() { # WORD LIST...
    local word=$1
    shift
    [[ " $* " == *" $word "* ]]
}

# The real servers that a tier's tests start.
need_servers() { # TIER
    case $1 in
        functional | cover)
            need_packages mariadb-server galera-4 postgresql etcd-server \
                redis-server zookeeper chromium rabbitmq-server prometheus \
                postfix systemd logrotate
            need_kube_apiserver
            ;;
        integration)
            need_packages etcd-server mariadb-server
            need_kube_apiserver
            ;;
    esac
}

# Lines of stestr as they come: failures at once, and tests of 5 s or more,
# so that a long tier is seen to move.
show_progress() {
    awk '/ \.\.\. FAILED$/ { print "  FAILED " $2; fflush(); next }
        / \.\.\. ok$/ && match($0, /\[[0-9.]+s\]/) {
            took = substr($0, RSTART + 1, RLENGTH - 3)
            if (took >= 5) { printf "  ok %s (%.0f s)\n", $2, took; fflush() }
        }'
}

# What one needs to mend a failed tier, from its log.
show_failure() {
    if grep -q '^Failed [0-9]* tests - output below:' "$1"; then
        sed -n '/^Failed [0-9]* tests - output below:/,/^Totals/p' "$1" |
            grep -v -e '^Totals' -e '^======$'
    else
        grep -v -E '^[^ ]+: (OK|commands\[)|congratulations' "$1"
    fi
}

count() { # LABEL LOG: the number behind "- LABEL:" in stestr's totals, or 0
    awk -F: -v label=" - $1" \
        '$1 == label { n += $2 } END { print n + 0 }' "$2"
}

run_tier() { # TIER: sets status and adds to the totals
    local tier=$1 log="$LOGS/$1.log" started=$SECONDS code=0
    local ran=- ok failed skipped
    printf '\n== %s\n' "$tier"
    if ! (need_servers "$tier"); then
        code=1
        : >"$log"
    else
        "$VENV/bin/python" -m tox -qq --current-env \
            -x testenv.pass_env+=PYTHONPATH -e "$tier" -- \
            ${ARGUMENTS[@]+"${ARGUMENTS[@]}"} </dev/null 2>&1 |
            tee "$log" | show_progress
        code=${PIPESTATUS[0]}
    fi
    if is_in "$tier" "${TEST_TIERS[@]}" "${NAMED_TIERS[@]}"; then
        ok=$(($(count Passed "$log") + $(count 'Expected Fail' "$log")))
        skipped=$(count Skipped "$log")
        failed=$(($(count Failed "$log") +
            $(count 'Unexpected Success' "$log")))
        ran=$((ok + failed))
        if [ "$ran" -eq 0 ]; then
            say "no test ran in tier $tier"
            code=1
        fi
        # A tier that fails without a failed test is a failure all the same.
        [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
        PASSED=$((PASSED + ok))
        FAILED=$((FAILED + failed))
        SKIPPED=$((SKIPPED + skipped))
    fi
    if [ "$code" -eq 0 ]; then
        RESULT=ok
        [ "$tier" != cover ] || sed -n '/^Name /,$p' "$log"
    else
        RESULT=FAILED
        ALL_OK=no
        show_failure "$log"
    fi
    SUMMARY+=$(printf '%-12s %-7s %7s %6s s' "$tier" "$RESULT" "$ran" \
        $((SECONDS - started)))$'\n'
    printf '%s: %s in %s s (log: %s)\n' "$tier" "$RESULT" \
        $((SECONDS - started)) "$log"
}

tiers=()
ARGUMENTS=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --) shift; ARGUMENTS=("$@"); break ;;
    esac
    is_in "$1" "${TEST_TIERS[@]}" "${CHECK_TIERS[@]}" "${NAMED_TIERS[@]}" ||
        { usage >&2; die "no tier is called \"$1\""; }
    tiers+=("$1")
    shift
done
[ ${#tiers[@]} -gt 0 ] || tiers=("${CHECK_TIERS[@]}" "${TEST_TIERS[@]}")

VENV=$(cached_venv test-venv requirements.txt test-requirements.txt \
    doc/requirements.txt) || exit 1
export PATH=$VENV/bin:$PATH
export PYTHONPATH=$ROOT
LOGS=$ROOT/.tox/log
mkdir -p "$LOGS"

# The entry points of this checkout, without installing it anywhere.
if [ setup.cfg -nt staffeln.egg-info/entry_points.txt ]; then
    PBR_VERSION=3.0.0.dev0 "$VENV/bin/python" -W ignore setup.py -q \
        egg_info >"$LOGS/egg_info.log" 2>&1 ||
        { cat "$LOGS/egg_info.log"; die "setup.cfg is not valid"; }
fi

PASSED=0 FAILED=0 SKIPPED=0 SUMMARY='' ALL_OK=yes
for tier in "${tiers[@]}"; do
    run_tier "$tier"
done

printf '\n%-12s %-7s %7s %8s\n%s\n' tier result tests time "$SUMMARY"
if [ "$SKIPPED" -gt 0 ]; then
    printf '%d passed, %d failed, %d skipped\n' $PASSED $FAILED $SKIPPED
else
    printf '%d passed, %d failed\n' $PASSED $FAILED
fi
[ "$ALL_OK" = yes ]
