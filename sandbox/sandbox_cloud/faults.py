# SPDX-License-Identifier: Apache-2.0
"""The fault that the backup driver reads at every backup."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from sandbox_cloud.configuration.volumes import FAULTS_FILE
from sandbox_cloud.layout import Layout, write_private

# Named in full so that a reader of the file sees what can be said.
NOTHING: dict[str, Any] = {
    "delay_seconds": 0,
    "fail": None,
    "only": None,
    "volume_ids": None,
}


def _path(layout: Layout) -> pathlib.Path:
    return layout.faults / FAULTS_FILE


def set_backup_fault(
    layout: Layout,
    delay_seconds: float,
    fail: str | None,
    only: str | None,
    volume_ids: list[str] | None,
) -> None:
    """Have backups begin late, fail, or both; replaces the last fault.

    :param only: ``full`` or ``incremental``; None for both.
    :param volume_ids: the volumes concerned; None for all.
    """
    fault = {
        "delay_seconds": delay_seconds,
        "fail": fail,
        "only": only,
        "volume_ids": volume_ids,
    }
    write_private(_path(layout), json.dumps(fault, indent=1) + "\n")


def clear(layout: Layout) -> None:
    """Let every backup be as it is; one that is held up goes on."""
    _path(layout).unlink(missing_ok=True)


def current(layout: Layout) -> dict[str, Any]:
    """The fault that is set, NOTHING when there is none."""
    try:
        return {**NOTHING, **json.loads(_path(layout).read_text())}
    except FileNotFoundError:
        return NOTHING
