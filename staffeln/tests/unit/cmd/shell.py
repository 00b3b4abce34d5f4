# SPDX-License-Identifier: Apache-2.0
"""How tests start a command through a shell."""

from __future__ import annotations

import os
import pathlib
import sys

RUN = 'exec "$@"'
"""The script that only starts the command, which is its arguments."""


def words(script: str, command: str, *arguments: str) -> list[str]:
    """A command of :mod:`staffeln.cmd`, started by a script of a shell."""
    module = f"staffeln.cmd.{command}"
    start = [sys.executable, "-m", module, *arguments]
    return ["/bin/sh", "-c", script, "sh", *start]


def environment(home: pathlib.Path) -> dict[str, str]:
    """What it finds, and nothing of who runs the tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "ignore",
    }
