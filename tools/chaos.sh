#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lets conductors, databases, API servers and clouds fail, for a long time,
# and checks that nothing is made twice, lost or forgotten.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
# shellcheck source=tools/lib/install.sh
. tools/lib/install.sh
# shellcheck source=tools/lib/kube_apiserver.sh
. tools/lib/kube_apiserver.sh

venv=$(cached_venv test-venv requirements.txt test-requirements.txt \
    doc/requirements.txt)
case ${1:-} in
    -h | --help) ;;
    *)
        need_packages mariadb-server etcd-server
        need_kube_apiserver
        ;;
esac
exec env PYTHONPATH="$ROOT" STAFFELN_CACHE="$CACHE" \
    PYTHONWARNINGS=ignore "$venv/bin/python" -m tools.chaos "$@"
