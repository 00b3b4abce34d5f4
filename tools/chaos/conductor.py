# SPDX-License-Identifier: Apache-2.0
"""A conductor of a chaos run, and what is done to it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Mapping

from staffeln.tests.integration.base import Deployment
from tools.chaos import launcher, settings

PATIENCE = settings.GRACE + 10
"""Seconds after which one that was told to end should have."""
RESTARTED = 1
"""The exit code after which systemd starts a conductor again."""


class Conductor(Deployment):
    """One conductor, started through the launcher."""

    def __init__(
        self,
        name: str,
        directory: pathlib.Path,
        clouds_file: pathlib.Path,
        options: Mapping[str, Mapping[str, object]],
        environment: Mapping[str, str],
        database: str,
    ) -> None:
        self.name = name
        self.expected_to_run = False
        self.bad_ends: list[str] = []
        """How it ended when it was asked to, where that was not well."""
        super().__init__(
            directory, clouds_file, options, environment, database
        )

    def _command(self, module: str, *arguments: str) -> list[str]:
        command = super()._command(module, *arguments)
        return [
            launcher.__name__ if each == "staffeln.cmd.conductor" else each
            for each in command
        ]

    def begin(self) -> None:
        """Start it, if it does not run."""
        if not self.running:
            self.start()
        self.expected_to_run = True

    def end(self) -> None:
        """Kill it."""
        self.expected_to_run = False
        self.kill()

    def ask_to_end(self) -> None:
        """Tell it to end; does not wait."""
        self.expected_to_run = False
        if self.running:
            # One that stands still hears it as well.
            self.signal(signal.SIGCONT, to_all=True)
            self.signal(signal.SIGTERM)

    def begin_again(self) -> None:
        """Start it when it has ended, as it was asked to."""
        try:
            code = self.wait_for_end(PATIENCE)
        except subprocess.TimeoutExpired:
            self.bad_ends.append(f"not within {PATIENCE} s")
        else:
            # Told before it listens to signals, it ends by the signal itself.
            if code not in (0, RESTARTED, -signal.SIGTERM):
                self.bad_ends.append(f"with exit code {code}")
        self.kill()
        self.begin()

    def stand_still(self, *, worker_only: bool = False) -> None:
        """Stop all of its processes, or the one that works."""
        with contextlib.suppress(ProcessLookupError):
            if not worker_only:
                self.signal(signal.SIGSTOP, to_all=True)
                return
            for pid in self.pids() - {self.pid}:
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on; harmless when they do."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT, to_all=True)

    @property
    def logs(self) -> list[pathlib.Path]:
        """All that it writes to."""
        return [self.log_file, self.directory / "conductor.out"]

    @property
    def died(self) -> bool:
        """Whether it has ended without being told to.

        One that finds the database away at its start ends with 1, and is
        started again, as systemd does.
        """
        if not self.expected_to_run or self.running:
            return False
        if self.exit_code == RESTARTED:
            self.begin()
            return False
        return True
