# SPDX-License-Identifier: Apache-2.0
"""A process that may outlive the command that started it.

A file keeps its pid and its start time, so that a later command finds it
and never ends another process that was given the same pid.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

POLITE = 60
"""Seconds between SIGTERM and SIGKILL."""


@dataclasses.dataclass(frozen=True)
class Background:
    """A process that leads a group of its own."""

    pid: int
    started: int
    """Clock ticks from boot to its start."""

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str],
        errors: pathlib.Path,
        note: pathlib.Path,
    ) -> Background:
        """Start a command.

        :param errors: gets its standard error.
        :param note: the file to find it by later.
        """
        with errors.open("wb") as stream:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
            )
        found = cls(process.pid, _start_time(process.pid) or 0)
        note.write_text(f"{found.pid} {found.started}\n")
        return found

    @classmethod
    def noted(cls, note: pathlib.Path) -> Background | None:
        """The process of a file, when it still runs."""
        try:
            pid, started = map(int, note.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        found = cls(pid, started)
        return found if found.runs else None

    @property
    def runs(self) -> bool:
        """Whether it is still there."""
        return _start_time(self.pid) == self.started

    def stop(self) -> None:
        """End it politely, and by force when that takes too long."""
        if not self.runs:
            return
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + POLITE
        while self.runs:
            if time.monotonic() > end:
                os.killpg(self.pid, signal.SIGKILL)
                return
            time.sleep(0.1)


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start; None when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything; what follows is numbered.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
