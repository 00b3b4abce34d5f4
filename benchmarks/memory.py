# SPDX-License-Identifier: Apache-2.0
"""The memory of this process, as Linux counts it."""

from __future__ import annotations

import pathlib
import re


def begin() -> float:
    """Let the peak of this process's memory begin here; MB of now."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return megabytes("VmRSS")


def megabytes(what: str) -> float:
    """MB, by the kernel's name for them."""
    status = pathlib.Path("/proc/self/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {what}")
    return int(found[1]) / 1024
