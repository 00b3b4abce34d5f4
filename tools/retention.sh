#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lets chains of backups come and go on a cloud of its own, for minutes, and
# holds what is in Cinder against the reference model, every second.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
# shellcheck source=tools/lib/install.sh
. tools/lib/install.sh

venv=$(cached_venv test-venv requirements.txt test-requirements.txt \
    doc/requirements.txt)
exec env PYTHONPATH="$ROOT" STAFFELN_CACHE="$CACHE" \
    PYTHONWARNINGS=ignore "$venv/bin/python" -m tools.retention "$@"
